"""What every chain asks: the instructions, what was said before, and the question."""

from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder

PROMPT = ChatPromptTemplate(
    [MessagesPlaceholder("system"), MessagesPlaceholder("history", optional=True), ("human", "{question}")]
)
