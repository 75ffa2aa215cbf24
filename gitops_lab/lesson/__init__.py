"""What the notebooks need beside the sandbox: predictions, checked answers, pictures, sources.

A notebook holds no logic of its own, so what it would need of it is here, under test: a module for
each notebook.
"""

from __future__ import annotations

from gitops_lab.lesson.replay import Chapters as Chapters
from gitops_lab.lesson.replay import show_errors_plainly
from gitops_lab.lesson.story import HOW_MANY_ORPHANS as HOW_MANY_ORPHANS
from gitops_lab.lesson.story import WHO_REPAIRED as WHO_REPAIRED
from gitops_lab.lesson.story import Markup as Markup
from gitops_lab.lesson.story import Picture as Picture
from gitops_lab.lesson.story import Question as Question
from gitops_lab.lesson.story import compare as compare
from gitops_lab.lesson.story import measured as measured
from gitops_lab.lesson.story import sources as sources
from gitops_lab.lesson.story import timeline as timeline

show_errors_plainly()
