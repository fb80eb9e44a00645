"""Write a language model of half a megabyte whose weights are random, always the same ones.

    make_model.py MODEL.gguf

It is of the llama architecture, so a real llama.cpp serves it. What it says has no meaning: words and letters of a
small vocabulary and, since every byte is a token of its own, bytes that are no UTF-8. That is the point: it says what
nobody has thought of. It never ends by itself: its replies are as long as they may be, unless a grammar ends them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gguf
import numpy

SEED = 20_261_121
WIDTH, LAYERS, HEADS, INNER = 64, 2, 4, 128
# Longer than any test speaks, so that a reply that is broken off had not ended.
CONTEXT = 131_072
UNKNOWN, BEGIN, END = 0, 1, 2
BLANK = "\u2581"  # how the tokenizer writes the blank before a word
WORDS = "the a of and to in is it you that he was for on are with as they be at one have this from or".split()
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def vocabulary() -> tuple[list[str], list[float], list[int]]:
    """Give the tokens, how gladly each is taken, and of which type each is."""
    kinds = gguf.TokenType
    special = [("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL)]
    every_byte = [(f"<0x{byte:02X}>", kinds.BYTE) for byte in range(256)]
    said = [BLANK + word for word in WORDS] + list("abcdefghijklmnopqrstuvwxyz") + [BLANK]
    tokens = [*special, *every_byte, *((text, kinds.NORMAL) for text in said)]
    scores = [0.0] * (len(tokens) - len(said)) + [-float(place) for place in range(len(said))]
    return [text for text, _ in tokens], scores, [int(kind) for _, kind in tokens]


def make(path: Path) -> None:
    """Write the model to this file."""
    random = numpy.random.default_rng(SEED)
    tokens, scores, types = vocabulary()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_bos_token_id(BEGIN)
    writer.add_eos_token_id(END)
    writer.add_chat_template(TEMPLATE)

    def drawn(shape: tuple[int, ...], scale: float) -> numpy.ndarray:
        return random.standard_normal(shape, dtype=numpy.float32) * numpy.float32(scale)

    def weights(name: str, *shape: int) -> None:
        writer.add_tensor(f"{name}.weight", drawn(shape, 0.1))

    def norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", numpy.ones(WIDTH, numpy.float32))

    writer.add_tensor("token_embd.weight", drawn((len(tokens), WIDTH), 1.0))
    norm("output_norm")
    # The end is as likely as the middle of 300 tokens, and only the likeliest 40 are taken: it never comes by itself.
    output = drawn((len(tokens), WIDTH), 0.5)
    output[[UNKNOWN, BEGIN, END]] = 0
    writer.add_tensor("output.weight", output)
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        norm(f"{block}.attn_norm")
        norm(f"{block}.ffn_norm")
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights(f"{block}.{name}", WIDTH, WIDTH)
        weights(f"{block}.ffn_gate", INNER, WIDTH)
        weights(f"{block}.ffn_up", INNER, WIDTH)
        weights(f"{block}.ffn_down", WIDTH, INNER)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    make(Path(sys.argv[1]))
