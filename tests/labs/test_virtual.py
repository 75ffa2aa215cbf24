"""Labs from Python: the same session, in virtual time."""

from __future__ import annotations

from gitops_lab.labs.virtual import start


def test_a_lab_is_done_from_python() -> None:
    lab = start("first-commit", seed=7)
    read = lab.step()
    assert not lab.answer(read, "99").right
    assert lab.answer(read, str(lab.lab.values["replicas"])).right
    lab.check(read)
    lab.world.commit("Deploy the shop", lab.lab.files("work"))
    assert lab.check(lab.step(), patience=300).passed
    assert lab.current is lab.lab.step("ask")
    lab.world.close()


def test_two_learners_have_different_right_answers_and_one_has_the_same_twice() -> None:
    def truths(seed: int) -> list[object]:
        lab = start("first-commit", seed=seed)
        found = []
        for step in lab.lab.steps:
            lab.solve(step)
            found.append(lab.truth(step))
        lab.world.close()
        return found

    assert truths(3) == truths(3)
    assert len({tuple(map(str, truths(seed))) for seed in (1, 2, 3)}) == 3
