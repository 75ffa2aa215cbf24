"""Labs: a learner changes a world, is checked, is told why, and answers from what they saw.

- `format`: a lab is a folder; what stands in it
- `world`: what a lab needs of a world, and the virtual world as one
- `live`: a running sandbox as one
- `checks`: what can be checked, each with what was expected, what was observed, where to look
- `progress`: the learner's progress, one file
- `session`: one learner in one lab
- `verify`: whether a lab is fit to be taught
- `walk`: a lab done by the commands that its text shows, live

From Python, in virtual time:

    from gitops_lab.labs.virtual import start

    lab = start("first-commit", seed=7)
    lab.world.commit("Deploy the shop", lab.lab.files("work"))
    lab.check(lab.step("push"), patience=300)
"""
