"""Errors in the shape that OpenAI's clients read."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass

from pydantic import ValidationError
from starlette.responses import JSONResponse


@dataclass
class ApiError(Exception):
    """An error answer: HTTP status, message, type and code, and perhaps headers of its own."""

    status: int
    message: str
    _: KW_ONLY
    code: str | None = None
    kind: str = "invalid_request_error"
    headers: Mapping[str, str] | None = None

    def response(self) -> JSONResponse:
        error = {"message": self.message, "type": self.kind, "param": None, "code": self.code}
        return JSONResponse({"error": error}, self.status, self.headers)


def describe(error: ValidationError) -> str:
    """Describe what pydantic found on one line, without the values that were sent."""
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}"
        for problem in error.errors(include_url=False)
    )
