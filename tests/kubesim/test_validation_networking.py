from __future__ import annotations

import pytest

from tests.kubesim.refusals import GONE, LABEL, SUBDOMAIN, VALUE, Case

CASES = [
    Case(
        "a Service has ports",
        "Service",
        {"spec.ports": []},
        ("spec.ports: Required value",),
        {"spec.ports": [], "spec.clusterIP": "None", "spec.clusterIPs": ["None"]},
    ),
    Case(
        "several ports have names, and these differ",
        "Service",
        {
            "spec.ports": [
                {"port": 80, "protocol": "TCP"},
                {"port": 81, "protocol": "TCP", "name": "a"},
                {"port": 82, "protocol": "TCP", "name": "a"},
            ]
        },
        (
            "spec.ports[0].name: Required value",
            'spec.ports[2].name: Duplicate value: "a"',
        ),
        {
            "spec.ports": [
                {"port": 80, "protocol": "TCP", "name": "a"},
                {"port": 80, "protocol": "UDP", "name": "b"},
            ]
        },
    ),
    Case(
        "a port of a Service exists once",
        "Service",
        {
            "spec.ports": [
                {"port": 80, "protocol": "TCP", "name": "a"},
                {"port": 80, "protocol": "TCP", "name": "b"},
            ]
        },
        (
            "spec.ports[1]: Duplicate value: "
            '{"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,'
            '"NodePort":0}',
        ),
    ),
    Case(
        "ports are numbers, or names of ports",
        "Service",
        {"spec.ports[0].port": 0, "spec.ports[0].targetPort": "80"},
        (
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            'spec.ports[0].targetPort: Invalid value: "80": must contain at least one letter (a-z)',
        ),
        {"spec.ports[0].targetPort": "http"},
    ),
    Case(
        "a Service has one of four types",
        "Service",
        {"spec.type": "External"},
        (
            'spec.type: Unsupported value: "External": supported values: "ClusterIP", '
            '"ExternalName", "LoadBalancer", "NodePort"',
        ),
    ),
    Case(
        "a Service inside the cluster has no ports on nodes",
        "Service",
        {"spec.ports[0].nodePort": 30000},
        ("spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",),
        {
            "spec.ports[0].nodePort": 30000,
            "spec.type": "NodePort",
            "spec.externalTrafficPolicy": "Cluster",
        },
    ),
    Case(
        "a headless Service has no balancer",
        "Service",
        {
            "spec.type": "LoadBalancer",
            "spec.externalTrafficPolicy": "Cluster",
            "spec.clusterIP": "None",
            "spec.clusterIPs": ["None"],
        },
        (
            "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for "
            "LoadBalancer services",
        ),
        {"spec.type": "LoadBalancer", "spec.externalTrafficPolicy": "Cluster"},
    ),
    Case(
        "an external name is a name and has no addresses",
        "Service",
        {"spec.type": "ExternalName", "spec.externalName": ""},
        ("spec.externalName: Required value",),
        {
            "spec": {
                "type": "ExternalName",
                "externalName": "db.example.com.",
                "sessionAffinity": "None",
            }
        },
    ),
    Case(
        "a Service selects by labels",
        "Service",
        {"spec.selector": {"app": "-"}},
        (f'spec.selector: Invalid value: "-": {VALUE}',),
    ),
    Case(
        "a client sticks to a pod for a while",
        "Service",
        {"spec.sessionAffinity": "ClientIP"},
        ("spec.sessionAffinityConfig: Required value: when session affinity type is ClientIP",),
        {
            "spec.sessionAffinity": "ClientIP",
            "spec.sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86400}},
        },
    ),
    Case(
        "a client sticks to a pod for a day at most",
        "Service",
        {
            "spec.sessionAffinity": "ClientIP",
            "spec.sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}},
        },
        (
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be "
            "greater than 0 and less than 86400",
        ),
    ),
    Case(
        "clusterIP is the first of clusterIPs, an address or None",
        "Service",
        {"spec.clusterIP": "10.0.0.1", "spec.clusterIPs": ["somewhere"]},
        (
            'spec.clusterIPs: Invalid value: ["somewhere"]: first value must match `clusterIP`',
            'spec.clusterIPs[0]: Invalid value: "somewhere": must be a valid IP address, (e.g. '
            "10.9.8.7 or 2001:db8::ffff)",
        ),
        {"spec.clusterIP": "10.0.0.1", "spec.clusterIPs": ["10.0.0.1"]},
    ),
    Case(
        "an external address means the same everywhere",
        "Service",
        {"spec.externalIPs": ["127.0.0.1"], "spec.externalTrafficPolicy": "Cluster"},
        (
            'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range '
            "(127.0.0.0/8, ::1/128)",
        ),
        {"spec.externalIPs": ["192.0.2.1"], "spec.externalTrafficPolicy": "Cluster"},
    ),
    Case(
        "only what is reached from outside says how",
        "Service",
        {
            "spec.externalTrafficPolicy": "Local",
            "spec.loadBalancerClass": "example.com/lb",
            "spec.loadBalancerSourceRanges": ["10.0.0.0"],
        },
        (
            "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is "
            "'LoadBalancer'",
            'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.0": must be a valid CIDR '
            "value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
            "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
            'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for '
            "externally-accessible services",
        ),
    ),
    Case(
        "endpoints have addresses",
        "Endpoints",
        {"subsets[0].addresses": []},
        ("subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`",),
    ),
    Case(
        "a slice's addresses are of its type",
        "EndpointSlice",
        {"addressType": "MAC", "endpoints[0].addresses": []},
        (
            'addressType: Unsupported value: "MAC": supported values: "FQDN", "IPv4", "IPv6"',
            "endpoints[0].addresses: Required value: must contain at least 1 address",
        ),
        {"addressType": "FQDN", "endpoints[0].addresses": ["web.example.com"]},
    ),
    Case(
        "an Ingress has rules or a backend for all",
        "Ingress",
        {"spec.rules": []},
        ("spec: Invalid value: []: either `defaultBackend` or `rules` must be specified",),
        {
            "spec.rules": [],
            "spec.defaultBackend": {"service": {"name": "web", "port": {"name": "http"}}},
        },
    ),
    Case(
        "an Ingress's host is a DNS name, perhaps with a star",
        "Ingress",
        {"spec.rules[0].host": "10.0.0.1"},
        ('spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',),
        {"spec.rules[0].host": "*.example.com"},
    ),
    Case(
        "a path has a type",
        "Ingress",
        {"spec.rules[0].http.paths[0].pathType": GONE},
        ("spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified",),
        {"spec.rules[0].http.paths[0].pathType": "Exact"},
    ),
    Case(
        "a path is one of three types",
        "Ingress",
        {"spec.rules[0].http.paths[0].pathType": "prefix"},
        (
            'spec.rules[0].http.paths[0].pathType: Unsupported value: "prefix": supported '
            'values: "Exact", "ImplementationSpecific", "Prefix"',
        ),
    ),
    Case(
        "a path starts at the root and goes down",
        "Ingress",
        {"spec.rules[0].http.paths[0].path": "shop//.."},
        (
            'spec.rules[0].http.paths[0].path: Invalid value: "shop//..": must be an absolute path',
            "spec.rules[0].http.paths[0].path: Invalid value: \"shop//..\": must not contain '//'",
            "spec.rules[0].http.paths[0].path: Invalid value: \"shop//..\": cannot end with '/..'",
        ),
        {"spec.rules[0].http.paths[0].path": "/shop"},
    ),
    Case(
        "a backend is a Service with one port",
        "Ingress",
        {
            "spec.rules[0].http.paths[0].backend": {"service": {"name": "web", "port": {}}},
            "spec.defaultBackend": {},
        },
        (
            'spec.defaultBackend: Invalid value: "": resource or service backend is required',
            "spec.rules[0].http.paths[0].backend: Required value: port name or number is required",
        ),
    ),
    Case(
        "a controller of Ingresses has a domain",
        "IngressClass",
        {"spec.controller": "nginx"},
        (
            'spec.controller: Invalid value: "nginx": must be a domain-prefixed path (such as '
            '"acme.io/foo")',
        ),
    ),
    Case(
        "a range of addresses is one, and exceptions lie in it",
        "NetworkPolicy",
        {
            "spec.ingress[0].from": [
                {"ipBlock": {"cidr": "10.0.0.0"}},
                {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16", "10.0.0.0/8"]}},
                {},
                {"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}},
            ]
        },
        (
            'spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.0": must be a valid '
            "CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
            'spec.ingress[0].from[1].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a '
            "strict subset of `cidr`",
            'spec.ingress[0].from[1].ipBlock.except[1]: Invalid value: "10.0.0.0/8": must be a '
            "strict subset of `cidr`",
            "spec.ingress[0].from[2]: Required value: must specify a peer",
            "spec.ingress[0].from[3]: Forbidden: may not specify both ipBlock and another peer",
        ),
    ),
    Case(
        "ports of a policy are ports",
        "NetworkPolicy",
        {
            "spec.ingress[0].ports": [
                {"port": 80, "endPort": 79, "protocol": "TCP"},
                {"port": "http", "endPort": 90, "protocol": "ICMP"},
                {"endPort": 90},
            ]
        },
        (
            "spec.ingress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal "
            "to `port`",
            'spec.ingress[0].ports[1].protocol: Unsupported value: "ICMP": supported values: '
            '"TCP", "UDP", "SCTP"',
            "spec.ingress[0].ports[1].endPort: Invalid value: 90: may not be specified when "
            "`port` is non-numeric",
            "spec.ingress[0].ports[2].endPort: Invalid value: 90: may not be specified when "
            "`port` is not specified",
        ),
        {"spec.ingress[0].ports": [{"port": 80, "endPort": 90, "protocol": "TCP"}]},
    ),
    Case(
        "a policy is about what comes in or goes out",
        "NetworkPolicy",
        {"spec.policyTypes": ["Ingress", "Through"]},
        (
            'spec.policyTypes[1]: Unsupported value: "Through": supported values: "Ingress", '
            '"Egress"',
        ),
        {"spec.policyTypes": ["Ingress", "Egress"]},
    ),
    Case(
        "TLS is for hosts, with a Secret",
        "Ingress",
        {"spec.tls": [{"hosts": ["*.*.a", "A"], "secretName": "A"}], "spec.ingressClassName": "A"},
        (
            'spec.tls[0].hosts[0]: Invalid value: "*.*.a": a wildcard DNS-1123 subdomain must '
            "start with '*.', followed by a valid DNS subdomain, which must consist of lower case "
            "alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. "
            r"'*.example.com', regex used for validation is '\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?"
            r"(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            f'spec.tls[0].hosts[1]: Invalid value: "A": {SUBDOMAIN}',
            f'spec.tls[0].secretName: Invalid value: "A": {SUBDOMAIN}',
            f'spec.ingressClassName: Invalid value: "A": {SUBDOMAIN}',
        ),
        {"spec.tls": [{"hosts": ["*.example.com"], "secretName": "cert"}]},
    ),
    Case(
        "an Ingress's class is named once",
        "Ingress",
        {
            "metadata.annotations": {"kubernetes.io/ingress.class": "nginx"},
            "spec.ingressClassName": "nginx",
        },
        (
            'annotations.kubernetes.io/ingress.class: Invalid value: "nginx": can not be set when '
            "the class field is also set",
        ),
        {"metadata.annotations": {"kubernetes.io/ingress.class": "nginx"}},
    ),
    Case(
        "a rule has paths",
        "Ingress",
        {"spec.rules[0].http": {}, "spec.rules[0].host": "A"},
        (
            f'spec.rules[0].host: Invalid value: "A": {SUBDOMAIN}',
            "spec.rules[0].http.paths: Required value",
        ),
        {"spec.rules[0].http": GONE},
    ),
    Case(
        "a backend is a Service or a resource, and its port a name or a number",
        "Ingress",
        {
            "spec.rules[0].http.paths": [
                {
                    "path": "x",
                    "pathType": "ImplementationSpecific",
                    "backend": {"service": {"port": {"name": "a", "number": 1}}},
                },
                {
                    "path": "/",
                    "pathType": "Exact",
                    "backend": {"service": {"name": "web", "port": {"name": "A"}}},
                },
                {
                    "path": "/",
                    "pathType": "Exact",
                    "backend": {"service": {"name": "web", "port": {"number": 70000}}},
                },
                {
                    "path": "/",
                    "pathType": "Exact",
                    "backend": {"service": {"name": "web"}, "resource": {}},
                },
                {"path": "/", "pathType": "Exact", "backend": {"resource": {"apiGroup": "A"}}},
            ]
        },
        (
            'spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path',
            "spec.rules[0].http.paths[0].backend.service.name: Required value",
            'spec.rules[0].http.paths[0].backend: Invalid value: "": cannot set both port name & '
            "port number",
            'spec.rules[0].http.paths[1].backend.service.port.name: Invalid value: "A": must '
            "contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
            'spec.rules[0].http.paths[1].backend.service.port.name: Invalid value: "A": must '
            "contain at least one letter (a-z)",
            "spec.rules[0].http.paths[2].backend.service.port.number: Invalid value: 70000: must "
            "be between 1 and 65535, inclusive",
            'spec.rules[0].http.paths[3].backend: Invalid value: "": cannot set both resource and '
            "service backends",
            'spec.rules[0].http.paths[4].backend.resource.apiGroup: Invalid value: "A": '
            f"{SUBDOMAIN}",
            "spec.rules[0].http.paths[4].backend.resource.kind: Required value: kind is required",
            "spec.rules[0].http.paths[4].backend.resource.name: Required value: name is required",
        ),
    ),
    Case(
        "a controller of Ingresses has a name of some length",
        "IngressClass",
        {"spec.controller": "", "spec.parameters": {"kind": "a/b", "name": "x"}},
        (
            "spec.controller: Required value",
            "spec.parameters.kind: Invalid value: \"a/b\": may not contain '/'",
        ),
    ),
    Case(
        "a policy has no third direction",
        "NetworkPolicy",
        {
            "spec.policyTypes": ["Ingress", "Egress", "Ingress"],
            "spec.ingress[0].from": [{"ipBlock": {}}],
        },
        (
            "spec.ingress[0].from[0].ipBlock.cidr: Required value",
            'spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify '
            "more than two policyTypes",
        ),
    ),
    Case(
        "a Service's families of addresses differ and are two at most",
        "Service",
        {
            "spec.ipFamilies": ["IPv4", "IPv4", "IPX"],
            "spec.ipFamilyPolicy": "Triple",
            "spec.clusterIPs": ["None", "10.0.0.1", "10.0.0.2"],
        },
        (
            'spec.clusterIPs: Invalid value: ["None","10.0.0.1","10.0.0.2"]: must be empty when '
            "`clusterIP` is not specified",
            'spec.ipFamilies[1]: Duplicate value: "IPv4"',
            'spec.ipFamilies[2]: Unsupported value: "IPX": supported values: "IPv4", "IPv6"',
            'spec.ipFamilyPolicy: Unsupported value: "Triple": supported values: '
            '"PreferDualStack", "RequireDualStack", "SingleStack"',
            'spec.clusterIPs: Invalid value: ["None","10.0.0.1","10.0.0.2"]: \'None\' must be the '
            "first and only value",
            'spec.clusterIPs: Invalid value: ["None","10.0.0.1","10.0.0.2"]: may only hold up to '
            "2 values",
        ),
    ),
    Case(
        "a client does not stick if it is not said to",
        "Service",
        {"spec.sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}},
        ("spec.sessionAffinityConfig: Forbidden: must not be set when session affinity is None",),
    ),
    Case(
        "ports on nodes are taken once",
        "Service",
        {
            "spec.type": "NodePort",
            "spec.externalTrafficPolicy": "Cluster",
            "spec.ports": [
                {"name": "a", "port": 1, "protocol": "TCP", "nodePort": 30000},
                {"name": "b", "port": 2, "protocol": "TCP", "nodePort": 30000},
                {"name": "c", "port": 3, "protocol": "UDP", "nodePort": 30000},
            ],
        },
        ("spec.ports[1].nodePort: Duplicate value: 30000",),
    ),
    Case(
        "traffic goes in ways that exist",
        "Service",
        {
            "spec.internalTrafficPolicy": "Near",
            "spec.trafficDistribution": "Fair",
            "spec.healthCheckNodePort": 30000,
            "spec.allocateLoadBalancerNodePorts": True,
            "spec.ports[0].appProtocol": "/x",
        },
        (
            'spec.ports[0].appProtocol: Invalid value: "/x": prefix part must be non-empty',
            "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is "
            "'LoadBalancer'",
            "spec.healthCheckNodePort: Invalid value: 30000: may only be set when `type` is "
            "'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
            'spec.internalTrafficPolicy: Unsupported value: "Near": supported values: '
            '"Cluster", "Local"',
            'spec.trafficDistribution: Unsupported value: "Fair": supported values: '
            '"PreferClose", "PreferSameZone", "PreferSameNode"',
        ),
        {"spec.trafficDistribution": "PreferClose"},
    ),
    Case(
        "an external address is reachable",
        "Service",
        {
            "spec.externalTrafficPolicy": "Cluster",
            "spec.externalIPs": ["0.0.0.0", "169.254.1.1", "one"],
        },
        (
            'spec.externalIPs[0]: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)',
            'spec.externalIPs[1]: Invalid value: "169.254.1.1": may not be in the link-local '
            "range (169.254.0.0/16, fe80::/10)",
            'spec.externalIPs[2]: Invalid value: "one": must be a valid IP address, (e.g. '
            "10.9.8.7 or 2001:db8::ffff)",
        ),
    ),
    Case(
        "endpoints' ports are ports",
        "Endpoints",
        {"subsets[0].ports": [{"port": 0, "protocol": "TCP"}, {"port": 1, "name": "A"}]},
        (
            "subsets[0].ports[0].name: Required value",
            "subsets[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            f'subsets[0].ports[1].name: Invalid value: "A": {LABEL}',
            "subsets[0].ports[1].protocol: Required value",
        ),
    ),
    Case(
        "a slice's ports differ by name",
        "EndpointSlice",
        {"addressType": "", "ports": [{"name": "A", "protocol": "TCP"}] * 2},
        (
            "addressType: Required value",
            f'ports[0].name: Invalid value: "A": {LABEL}',
            f'ports[1].name: Invalid value: "A": {LABEL}',
            'ports[1].name: Duplicate value: "A"',
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_new_object_keeps_the_rule(case: Case) -> None:
    case.check_create()
