import pytest
from tests.tiny import TEXTS, make_item

from secateur.errors import UnsupportedModelError
from secateur.items.prompts import LETTERS_V1
from secateur.models.chat import ChatPrompts, render_conversation
from secateur.models.tiny import CHAT_TEMPLATE, CHAT_TEMPLATE_NO_SYSTEM, tiny_tokenizer

BRACKETS = (  # Mistral's shape: no system role of its own, a space before the answer
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }}[/INST]"
    "{% elif m['role'] == 'assistant' %} {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
TODAY = "{{ strftime_now('%d %b %Y') }}\n" + CHAT_TEMPLATE
THINKING = (  # Qwen 3's shape: thinks unless told not to, and shows the empty thought of an answer that had none
    CHAT_TEMPLATE.replace(
        "{{ turn['content'] }}", "{% if turn['role'] == 'assistant' %}<think></think>{% endif %}{{ turn['content'] }}"
    )
    + "{% if add_generation_prompt and enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"
)
DEAF = "{{ bos_token }}hello"


def prompts(template):
    return ChatPrompts(tiny_tokenizer(TEXTS, chat_template=template), LETTERS_V1)


def test_the_whole_prompt():
    assert prompts(CHAT_TEMPLATE).text(make_item(), "120") == (
        "<s><|system|>\nAnswer the multiple-choice question with only the letter of the correct option (A, B or C)."
        "<|end|>\n<|user|>\nThe baker and the miller met at gate 0.\n\nWho had forgotten the key?\n\n"
        "A) The miller\nB) Not known\nC) The baker\n\nAnswer:<|end|>\n<|assistant|>\n"
    )


@pytest.mark.parametrize(
    ("template", "style", "spelling"),
    [
        (CHAT_TEMPLATE, "chat", "A"),
        (CHAT_TEMPLATE_NO_SYSTEM, "chat-folded", "A"),
        (BRACKETS, "chat-folded", " A"),
        (THINKING, "chat", "A"),
        (None, "plain", " A"),
    ],
)
def test_style_and_letters_by_rule(template, style, spelling):
    made = prompts(template)
    assert made.style == style
    assert made.protocol["letter_spelling"] == spelling
    assert [made.tokenizer.decode([token]) for token in made.letter_tokens] == [spelling[:-1] + c for c in "ABC"]
    text = made.text(make_item(), "012")
    (tokens,) = made.tokens([text])
    (answered,) = made.tokens([text + spelling[:-1] + "C"])
    assert answered == (*tokens, made.letter_tokens[2])


def test_a_model_that_can_think_is_asked_to_answer_at_once():
    assert prompts(THINKING).text(make_item(), "012").endswith("<|assistant|>\n<think></think>")
    assert prompts(CHAT_TEMPLATE).text(make_item(), "012").endswith("<|assistant|>\n")


def test_a_folded_prompt_has_the_instruction_in_the_user_turn():
    text = prompts(BRACKETS).text(make_item(), "012")
    assert text.startswith("<s>[INST] Answer the multiple-choice question")
    assert text.endswith("Answer:[/INST]")
    assert text.count("The baker and the miller") == 1


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, BRACKETS, None])
def test_there_is_exactly_one_begin_token(template):
    made = prompts(template)
    (tokens,) = made.tokens([made.text(make_item(), "012")])
    assert tokens.count(made.tokenizer.bos_token_id) == 1
    assert tokens[0] == made.tokenizer.bos_token_id


def test_a_template_that_writes_the_date_writes_a_fixed_one():
    assert prompts(TODAY).text(make_item(), "012").startswith("01 Jan 2025\n")


def test_the_protocol_tells_tokenizers_and_templates_apart():
    protocols = [prompts(template).protocol for template in (CHAT_TEMPLATE, CHAT_TEMPLATE_NO_SYSTEM, None)]
    assert len({str(protocol["tokenizer"]) for protocol in protocols}) == 3
    assert prompts(CHAT_TEMPLATE).protocol == protocols[0]
    assert protocols[0]["template"] == "letters-v1"


def test_a_template_without_a_user_turn_is_an_error():
    with pytest.raises(UnsupportedModelError, match="chat template drops or refuses a user turn"):
        _ = prompts(DEAF).style


def test_letters_that_are_not_single_tokens_are_an_error():
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    no_letters = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=no_letters, unk_token="<unk>")
    with pytest.raises(UnsupportedModelError, match="letters A, B and C are not single tokens"):
        _ = ChatPrompts(tokenizer, LETTERS_V1).letter_tokens


def test_a_conversation_in_the_models_own_words():
    talk = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Ann."}]

    def render(template, turns):
        return render_conversation(tiny_tokenizer(TEXTS, chat_template=template), turns)

    assert render(CHAT_TEMPLATE, talk) == "<s><|user|>\nWho?<|end|>\n<|assistant|>\nAnn.<|end|>\n"
    system = [{"role": "system", "content": "Be brief."}, *talk]
    assert render(CHAT_TEMPLATE_NO_SYSTEM, system) is None
    assert render(CHAT_TEMPLATE_NO_SYSTEM, talk) == render(CHAT_TEMPLATE, talk)
    assert render(TODAY, talk).startswith("01 Jan 2025"), "the same tomorrow"
    with pytest.raises(UnsupportedModelError, match="Conversations are to be read, and the tokenizer has no chat"):
        render(None, talk)
