from __future__ import annotations

import pytest

from tests.apiserver.refusals import GONE, VALUE, Case

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
        ('spec.ports[1]: Duplicate value: {"port":80,"protocol":"TCP"}',),
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
        (
            "spec.ipFamilies: Forbidden: may not be set for ExternalName services",
            "spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services",
            "spec.externalName: Required value",
        ),
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
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_new_object_keeps_the_rule(case: Case) -> None:
    case.check_create()
