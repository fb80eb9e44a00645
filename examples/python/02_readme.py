from tertulia import Tertulia

with Tertulia("chat.db", model="anthropic/claude-sonnet-4-5") as tertulia:
    chat = tertulia.user("ana").new_conversation(system="Answer briefly.")
    for text in chat.stream("Three things to see in Cádiz?").text():
        print(text, end="", flush=True)
    reply = chat.send("Which of them on a rainy day?")
    print(reply.text, reply.usage.output_tokens, reply.cost)
