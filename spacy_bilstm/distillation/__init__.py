"""Knowledge distillation: a fast student learns from slow teachers."""

from .distill import DistillationResult, annotate_texts, distill, train_student
from .students import make_student_config, plan_student
from .teachers import Takeover, TeacherComponent, TeacherError, Teachers, load_teachers

__all__ = [
    "DistillationResult",
    "Takeover",
    "TeacherComponent",
    "TeacherError",
    "Teachers",
    "annotate_texts",
    "distill",
    "load_teachers",
    "make_student_config",
    "plan_student",
    "train_student",
]
