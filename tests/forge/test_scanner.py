"""Plain secrets are found in the newest files and in the history, and their values are not told."""

from __future__ import annotations

from gitops_lab.forge import Repository
from gitops_lab.forge.scanner import scan

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData:\n  word: hunter22\n"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nabc\n"


def test_a_secret_is_found_and_stays_in_the_history_after_it_is_deleted(
    repository: Repository,
) -> None:
    repository.commit("clean", {"a.yaml": "kind: ConfigMap\ndata: {a: b}\n"})
    assert scan(repository) == ()
    brought = repository.commit("oops", {"apps/db.yaml": "a: 1\n---\n" + SECRET, "id_rsa": KEY})
    found = scan(repository)
    assert [(each.kind, each.path, each.line, each.is_live) for each in found] == [
        ("Secret without encryption", "apps/db.yaml", 6, True),
        ("private key", "id_rsa", 1, True),
    ]
    assert {each.commit for each in found} == {brought.commit}
    repository.commit("delete it", {"apps/db.yaml": None})
    (gone, still) = scan(repository)
    assert (gone.is_live, still.is_live) == (False, True)
    assert "but in the history" in str(gone)
    assert "hunter22" not in repr(found)


def test_what_only_looks_like_one_is_left_alone(repository: Repository) -> None:
    repository.commit(
        "harmless",
        {
            "sealed.yaml": "kind: SealedSecret\nspec:\n  encryptedData:\n    word: AgBx\n",
            "ref.yaml": "env:\n- name: PASSWORD\n  valueFrom: {secretKeyRef: {name: db}}\n",
            "empty.yaml": "kind: Secret\nmetadata: {name: later}\ntype: Opaque\n",
            "image.png": b"\x00password: abcdefgh",
        },
    )
    assert scan(repository) == ()


def test_tokens_of_well_known_forms_are_found(repository: Repository) -> None:
    repository.commit("x", {"ci.sh": f"export T=ghp_{'a' * 36}\n", "x.ini": "password = s3cr3ts\n"})
    assert [each.kind for each in scan(repository)] == ["GitHub token", "password"]
