"""An endpoint that speaks the OpenAI chat-completions protocol, needs no key and answers from a script."""
