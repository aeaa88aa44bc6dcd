"""What the user asks for: a recipe of five to nine sections, read from TOML, checked key by key, recorded in the model directory."""

from .augment_section import AugmentSection
from .constraints import (
    WEIGHT_CONSTRAINTS,
    Constraint,
    Distill,
    InputGains,
    LowRank,
    NamingEntry,
    PiecewiseLinearActivations,
    Quantize,
    RotateFactors,
    ScaleForm,
    Sparse,
    Ternary,
    check_storages,
)
from .data_section import DataSection
from .document import Recipe, with_streams, with_unset
from .frontend_section import FrontendSection
from .model_section import BLOCK_READOUTS, MODEL_KINDS, ModelSection
from .model_stages import (
    MOST_CELLS,
    MOST_STAGES,
    STAGE_KINDS,
    CellStage,
    ConvolutionStage,
    DenseStage,
    DepthwiseStage,
    EntrywiseStage,
    PoolStage,
    Stage,
    readings_of,
)
from .older_names import OLDER_NAMES
from .reading import load_recipe, older_names, parse_recipe, revise, to_toml
from .stream_sections import OPTIONAL_SECTIONS, RATES, DecideSection, StreamSection
from .training_sections import ALONE, STREAMS, Device, Loop, QuantizeSection, TrainSection
from .unread import TRAIN_READERS, is_asked, refuse_unread, refuse_unread_of_streams

__all__ = [
    "ALONE",
    "BLOCK_READOUTS",
    "MODEL_KINDS",
    "MOST_CELLS",
    "MOST_STAGES",
    "OLDER_NAMES",
    "OPTIONAL_SECTIONS",
    "RATES",
    "STAGE_KINDS",
    "STREAMS",
    "TRAIN_READERS",
    "WEIGHT_CONSTRAINTS",
    "AugmentSection",
    "CellStage",
    "Constraint",
    "ConvolutionStage",
    "DataSection",
    "DecideSection",
    "DenseStage",
    "DepthwiseStage",
    "Device",
    "Distill",
    "EntrywiseStage",
    "FrontendSection",
    "InputGains",
    "Loop",
    "LowRank",
    "ModelSection",
    "NamingEntry",
    "PiecewiseLinearActivations",
    "PoolStage",
    "Quantize",
    "QuantizeSection",
    "Recipe",
    "RotateFactors",
    "ScaleForm",
    "Sparse",
    "Stage",
    "StreamSection",
    "Ternary",
    "TrainSection",
    "check_storages",
    "is_asked",
    "load_recipe",
    "older_names",
    "parse_recipe",
    "readings_of",
    "refuse_unread",
    "refuse_unread_of_streams",
    "revise",
    "to_toml",
    "with_streams",
    "with_unset",
]
