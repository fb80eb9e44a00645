"""Conversations for those who already use a framework: its history is kept by Tertulia.

Each needs its framework, which is an extra of this package, imported when the adapter is asked for and not before:

    pip install "tertulia[agents]"        # agents_session: a Session of the OpenAI Agents SDK
    pip install "tertulia[langchain]"     # langchain_history: a chat message history of LangChain

What a framework puts in comes out equal. Its words, pictures, calls of tools and their answers are ordinary parts of
ordinary messages as well: pages show them, search finds them, and a model is sent them when the chat goes on by
``chat.send``. What ordinary parts cannot hold (ids, annotations, encrypted thoughts, artifacts) stands beside them, whole
and as JSON text, in an ``OpaquePart`` that belongs to the application (its ``provider`` is empty), which no model is sent.
It is a second copy of the words: a message of plain words alone has none.

What others say in the conversation (``chat.send``, ``chat.append``, another framework) is handed to the framework in the
form that it would have given it: words, calls and answers. Bytes of pictures and files become a line that names them, and
thoughts of models go to LangChain alone.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .. import AsyncConversation, Conversation
    from ._agents import AgentsSession
    from ._langchain import LangchainHistory

__all__ = ["agents_session", "langchain_history"]


def agents_session(chat: AsyncConversation) -> AgentsSession:
    """A conversation as a ``Session`` of the OpenAI Agents SDK.

        session = agents_session(tertulia.user("ana").conversation_for("support"))
        result = await Runner.run(agent, "What is the weather in Cádiz?", session=session)

    ``InvalidError`` (unsupported) for a conversation of a ``Tertulia``: the SDK awaits its sessions, which takes one of an
    ``AsyncTertulia``. ``ImportError`` when the SDK is not there.
    """
    from ._kept import missing

    try:
        from ._agents import AgentsSession
    except ModuleNotFoundError as error:
        raise missing(error, "agents", "agents_session needs the OpenAI Agents SDK", "agents") from error
    return AgentsSession(chat)


def langchain_history(chat: Conversation | AsyncConversation) -> LangchainHistory:
    """A conversation as a chat message history of LangChain (``BaseChatMessageHistory``).

        chain = RunnableWithMessageHistory(model, lambda id: langchain_history(me.conversation_for(id)))

    One of a ``Tertulia`` has all of the history's verbs; those that are awaited run on threads. One of an
    ``AsyncTertulia`` has those that are awaited; the others raise ``InvalidError`` (unsupported), for they would have to
    block. ``ImportError`` when LangChain is not there.
    """
    from ._kept import missing

    try:
        from ._langchain import LangchainHistory
    except ModuleNotFoundError as error:
        raise missing(error, "langchain_core", "langchain_history needs LangChain", "langchain") from error
    return LangchainHistory(chat)
