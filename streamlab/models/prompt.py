"""What every chain asks: the instructions, what was said before, and the question."""

from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder

PROMPT = ChatPromptTemplate(
    [MessagesPlaceholder("system"), MessagesPlaceholder("history", optional=True), ("human", "{question}")]
)

CHAT_PROMPT = ChatPromptTemplate(
    [MessagesPlaceholder("system"), MessagesPlaceholder("history", optional=True), MessagesPlaceholder("question")]
)
"""The same of a question that is a message, with which files may go."""
