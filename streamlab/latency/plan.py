"""What is to be measured, at which gateway, and in which order."""

from dataclasses import dataclass
from random import Random
from typing import Annotated, Literal, NamedTuple, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.text.tokens import estimate_tokens

Direct = Literal["invoke", "stream", "astream"]  # the model is asked
Way = Literal[Direct, "gateway"]  # or a gateway that asks it
DIRECT: tuple[Direct, ...] = get_args(Direct)
WAYS: tuple[Way, ...] = get_args(Way)

GATEWAY_TOKEN = "GATEWAY_TOKEN"  # variable of the environment: an argument could be read by everyone on the machine

MOST_CALLS = 2_000  # of one measurement; without prompt lengths 4 models, 4 ways, 100 pairs and 5 warm-ups are 1,680
LEAD = 60  # tokens of a long prompt that are neither the question nor its notes

PromptLength = Annotated[int, Field(ge=100, le=100_000)]
ModelName = Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"^\S(.*\S)?$")]


class Plan(BaseModel):
    """Times are seconds. Raises pydantic's ValidationError for what cannot be measured."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    models: tuple[ModelName, ...] = Field(min_length=1, max_length=4)
    prompt: str = Field(min_length=1, max_length=32_000)
    system: str = Field("", max_length=32_000)
    max_tokens: int | None = Field(None, ge=16, le=4_000)
    """The longest answer; None asks for no limit."""
    pairs: int = Field(10, ge=1, le=100)
    """How often each model answers in each way; what is compared are the answers of one pair."""
    ways: tuple[Way, ...] = Field(DIRECT, min_length=1, max_length=len(WAYS))
    warm_ups: int = Field(1, ge=0, le=5)
    """Calls per model and way that come first and are not counted."""
    temperature: float = Field(DEFAULT_TEMPERATURE, ge=0, le=2)
    seed: int = Field(0, ge=0, lt=2**31)
    """Of the order, and of what the demo model says and when."""
    target: float = Field(1.0, gt=0, le=600)
    """The time to first token that is good enough."""
    timeout: float = Field(120, gt=0, le=600)
    """How long one call may take."""
    prompt_lengths: tuple[PromptLength, ...] = Field((), max_length=4)
    """Tokens, as estimated, to which the prompt is made long, and asked twice: with a beginning that nobody has read,
    and once more as it was. Without any it is asked as it is."""
    beyond_context: tuple[tuple[ModelName, PromptLength], ...] = Field((), max_length=16)
    """What is known not to fit into a model's context, and is not asked."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if any(len(set(named)) < len(named) for named in (self.models, self.ways, self.prompt_lengths)):
            raise ValueError("each model, each way and each prompt length may be named once")
        if not self.prompt.strip():
            raise ValueError("the prompt is blank")
        if self.relayed and self.max_tokens is not None:
            raise ValueError("a gateway takes no max-tokens, and answers of different lengths cannot be compared")
        self._check_lengths()
        return self

    def _check_lengths(self) -> None:
        if self.prompt_lengths and self.relayed:
            raise ValueError("prompt lengths are measured without a gateway, which takes no prompt so long")
        if any(length < self.shortest_prompt for length in self.prompt_lengths):
            raise ValueError("the question and the system prompt alone are longer than a prompt length")
        if len(order(self)) > MOST_CALLS:
            raise ValueError(f"these are more than {MOST_CALLS:,} calls")

    @property
    def relayed(self) -> bool:
        """Whether some of the calls go through a gateway."""
        return "gateway" in self.ways

    @property
    def shortest_prompt(self) -> int:
        """The least tokens to which the prompt can be made long."""
        return estimate_tokens(self.system) + estimate_tokens(self.prompt) + LEAD


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """`url` is what its paths begin with, such as `http://localhost:8501/api`; `token` one of its access tokens."""

    url: str
    token: SecretStr | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token.get_secret_value()}"} if self.token else {}


class PlannedCall(NamedTuple):
    """One call to make. Warm-ups have pair 0. `repeated`: with the prompt of the call just before it."""

    pair: int
    model: str
    way: Way
    prompt_length: int | None = None
    repeated: bool = False

    @property
    def warm_up(self) -> bool:
        return self.pair == 0


def order(plan: Plan) -> list[PlannedCall]:
    """List every call: warm-ups first, then pair by pair, each pair in a random order that the seed decides.

    So neither a drift over time nor the neighbour before favours a way or a model. A prompt that is asked once more
    follows at once, for a cache may hold little and not for long; a warm-up is one call, with the shortest prompt.
    """
    random = Random(plan.seed)
    calls: list[PlannedCall] = []
    for pair in [0] * plan.warm_ups + list(range(1, plan.pairs + 1)):
        turn = [asked for model in plan.models for way in plan.ways for asked in _questions(plan, pair, model, way)]
        random.shuffle(turn)
        calls += [call for asked in turn for call in asked]
    return calls


def _questions(plan: Plan, pair: int, model: str, way: Way) -> list[list[PlannedCall]]:
    """List what a model is asked in one way of a pair, each question with its repetition."""
    if not plan.prompt_lengths:
        return [[PlannedCall(pair, model, way)]]
    lengths = [length for length in sorted(plan.prompt_lengths) if (model, length) not in plan.beyond_context]
    if pair == 0:
        return [[PlannedCall(0, model, way, length)] for length in lengths[:1]]
    return [[PlannedCall(pair, model, way, length, repeated) for repeated in (False, True)] for length in lengths]


def plan_problem(error: ValidationError) -> str:
    """Say the first thing that is wrong with a plan, in one English sentence that holds none of its values."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = str(first["loc"][0]).replace("_", "-") if first["loc"] else "plan"
    return f"{field}: {first['msg'].removeprefix('Value error, ')}."
