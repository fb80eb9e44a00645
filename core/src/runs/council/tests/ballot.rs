//! What reviewers write, and what must not be taken for a ranking.

use proptest::prelude::*;

use super::super::ballot::{Unread, read};
use super::super::labels::label;

/// Rankings as they come: how many labels were shown, the order that is meant, the text.
const RANKINGS: &[(usize, &str, &str)] = &[
    // As asked for, and nearly so.
    (3, "B > A > C", r#"{"ranking": ["B", "A", "C"]}"#),
    (3, "B > A > C", r#"{"ranking": ["B", "A", "C"], "reasons": {"A": "too long", "B": "C is worse", "C": "wrong"}}"#),
    (3, "B > A > C", "```json\n{\n  \"ranking\": [\"B\", \"A\", \"C\"]\n}\n```"),
    (3, "C > A > B", "A is vague. B is wrong about the date, C is right.\n\n{\"ranking\": [\"C\", \"A\", \"B\"]}"),
    (3, "C > A > B", "{\"ranking\": [\"C\", \"A\", \"B\"]}\n\nA and B both miss the point, B > A only in style."),
    (4, "C > A = B > D", r#"{"ranking": ["C", ["A", "B"], "D"]}"#),
    (3, "A > B = C", r#"{"ranking": ["A", "B = C"]}"#),
    (3, "B > A > C", r#"{"ranking": ["B", "A", "C",],}"#),
    (3, "B > A > C", "{'ranking': ['B', 'A', 'C']}"),
    (3, "B > A > C", "{ranking: [B, A, C]}"),
    (3, "B > A > C", "{“ranking”: [“B”, “A”, “C”]}"),
    (3, "B > A > C", "｛＂ranking＂：［＂Ｂ＂，＂Ａ＂，＂Ｃ＂］｝"),
    (3, "B > A > C", r#"{"ranking": ["b", "a", "c"]}"#),
    (3, "B > A > C", r#"{"ranking": ["Response B", "Response A", "Response C"]}"#),
    (3, "B > A > C", r#"{"ranking": ["B (clear and right)", "A: a bit long", "C - wrong"]}"#),
    (3, "B > A > C", r#"{"ranking": ["1. B", "2. A", "3. C"]}"#),
    (3, "B > A > C", r#"{"ranking": "B > A > C"}"#),
    (3, "B > A > C", r#"{"ranking": ["B > A > C"]}"#),
    (3, "B > A > C", r#"{"ranking": "B, A, C"}"#),
    (3, "B > A > C", r#"{"Final Ranking": ["B", "A", "C"]}"#),
    (3, "B > A > C", r#"{"best_to_worst": ["B", "A", "C"]}"#),
    (3, "B > A > C", r#"{"evaluation": {"A": "good"}, "result": {"ranking": ["B", "A", "C"]}}"#),
    (3, "B > A > C", "{\"ranking\": [\"B\", \"A\", \"C\"] // my honest view\n}"),
    (3, "B > A > C", r#"{"ranking": ["B", "A", "C""#),
    (3, "B > A > C", r#"{\"ranking\": [\"B\", \"A\", \"C\"]}"#),
    (
        3,
        "B > A > C",
        r#"{"ranking": [{"label": "B", "rank": 1}, {"label": "C", "rank": 3}, {"label": "A", "rank": 2}]}"#,
    ),
    (
        3,
        "B > A > C",
        r#"{"ranking": [{"response": "Response B", "reason": "right"}, {"response": "Response A", "reason": "vague"}, {"response": "Response C", "reason": "wrong"}]}"#,
    ),
    (3, "B > A > C", r#"{"ranking": {"1": "B", "2": "A", "3": "C"}}"#),
    (3, "B > A > C", r#"{"ranking": {"first": "B", "second": "A", "third": "C"}}"#),
    (3, "B > A > C", r#"{"ranking": {"A": 2, "B": 1, "C": 3}}"#),
    (3, "B > A > C", r#"{"ranking": {"A": "2nd", "B": "1st", "C": "3rd"}}"#),
    (3, "B > A = C", r#"{"ranking": {"A": {"rank": 2, "reason": "ok"}, "B": {"rank": 1}, "C": {"rank": 2}}}"#),
    // A ranking counts more than scores that say something else.
    (3, "A > B > C", r#"{"scores": {"A": 7, "B": 9, "C": 5}, "ranking": ["A", "B", "C"]}"#),
    (2, "B > A", r#"{"A": 7, "B": 9}"#),
    (3, "B > A = C", r#"{"A": 7.5, "B": "9/10", "C": 7.5}"#),
    (3, "B > A > C", r#"{"scores": {"Response A": 7, "Response B": 9, "Response C": 5}}"#),
    (3, "B > A > C", r#"{"A": {"score": 7, "comment": "fine"}, "B": {"score": 9}, "C": {"score": 5}}"#),
    (3, "B > A > C", r#"[{"id": "A", "score": 7}, {"id": "B", "score": 9}, {"id": "C", "score": 5}]"#),
    (3, "B > A > C", r#"["B", "A", "C"]"#),
    (3, "B > A > C", "[B, A, C]"),
    // Missing, unknown, twice.
    (4, "B > A", r#"{"ranking": ["B", "A"]}"#),
    (3, "B", r#"{"ranking": ["B"]}"#),
    (3, "B > A > C", r#"{"ranking": ["B", "Z", "A", "C"]}"#),
    (3, "B > A > C", r#"{"ranking": ["B", "A", "B", "C", "A"]}"#),
    // The form shown once more, and then the ballot.
    (3, "C > B > A", "{\"ranking\": [\"best\", \"second\", \"last\"]}\n\n{\"ranking\": [\"C\", \"B\", \"A\"]}"),
    (
        3,
        "C > B > A",
        "First I thought {\"ranking\": [\"A\", \"B\", \"C\"]}, but no: {\"ranking\": [\"C\", \"B\", \"A\"]}",
    ),
    // Thoughts.
    (3, "C > B > A", "<think>A > B > C? Final ranking: A, B, C. Hmm, no.</think>{\"ranking\": [\"C\", \"B\", \"A\"]}"),
    (3, "C > B > A", "Maybe A > B > C.\n</think>\n\nC > B > A"),
    (
        3,
        "C > B > A",
        "<Thinking>\nFinal ranking: A > B > C\n</Thinking>\nFINAL RANKING:\n1. Response C\n2. Response B\n3. Response A",
    ),
    // Numbered lists.
    (3, "C > A > B", "FINAL RANKING:\n1. Response C\n2. Response A\n3. Response B"),
    (3, "C > A > B", "**FINAL RANKING:**\n\n1. **Response C**\n2. **Response A**\n3. **Response B**\n"),
    (3, "C > A > B", "## Final Ranking\n\n1) C\n2) A\n3) B"),
    (
        3,
        "C > A > B",
        "Response A is good. Response B is bad.\n\nFinal ranking:\n1. Response C - unlike A it names the source\n2. Response A - better than B\n3. Response B - wrong, see A and C",
    ),
    (3, "A > B > C", "My ranking, best to worst:\n1. A: clear\n2. B: long\n3. C: wrong"),
    (3, "C > A > B", "1. C\n2. A\n3. B"),
    (3, "A > B > C", "1. A\n2. B\n3. C"),
    (3, "C > A > B", "1. Response C is the most complete.\n2. Response A lacks an example.\n3. Response B is wrong."),
    (3, "C > A > B", "1. C 2. A 3. B"),
    (3, "C > A > B", "1) C, 2) A, 3) B"),
    (3, "C > A > B", "1st: C, 2nd: A, 3rd: B"),
    (3, "C > A > B", "🥇 C\n🥈 A\n🥉 B"),
    (3, "C > A > B", "1️⃣ Response C\n2️⃣ Response A\n3️⃣ Response B"),
    (3, "C > A > B", "#1 - Response C\n#2 - Response A\n#3 - Response B"),
    (3, "C > A > B", "Rank 1: Response C\nRank 2: Response A\nRank 3: Response B"),
    (3, "C > A > B", "Ranking:\n1. C\n1. A\n1. B"),
    (3, "C > A > B", "3. B\n2. A\n1. C"),
    (3, "C > A = B", "Final ranking:\n1. Response C\n2. Response A and Response B (tie)"),
    (3, "C > A = B", "Final ranking:\n1. C\n2. A\n2. B"),
    (4, "C > A = B > D", "Ranking:\n1. C\n2. A / B\n4. D"),
    (
        3,
        "C > A > B",
        "### 1. Response C\nIt is right.\n\n### 2. Response A\nIt is nearly right, and better than B.\n\n### 3. Response B\nIt is wrong.",
    ),
    (3, "C > A > B", "Final ranking:\n- Response C\n- Response A\n- Response B"),
    (3, "C > A > B", "C\nA\nB"),
    (3, "C > A > B", "FINAL RANKING:\n1. [C]\n2. [A]\n3. [B]"),
    (3, "C > A > B", "final ranking:\n1. response c\n2. response a\n3. response b"),
    (3, "C > A > B", "FINAL RANKING:\n1. \"C\"\n2. \"A\"\n3. \"B\""),
    (3, "C > A > B", "FINAL RANKING:\n1. ResponseC\n2. Response_A\n3. Response-B"),
    (
        3,
        "C > A > B",
        "Final ranking:\n1. C\n2. A\n3. B\n\nI made this ranking by correctness. Response B was the worst, Response A good.",
    ),
    (3, "C > A > B", "Worst to best:\n1. B\n2. A\n3. C"),
    // Chains and lists.
    (3, "C > A > B", "C > A > B"),
    (3, "C > A > B", "c > a > b"),
    (3, "C > A > B", "**C** > **A** > **B**"),
    (3, "C > A > B", "Response C > Response A > Response B"),
    (3, "C > A > B", "C ≻ A ≻ B"),
    (3, "C > A > B", "C → A → B"),
    (3, "C > A > B", "C -> A -> B"),
    (3, "C > A > B", "Ｃ＞Ａ＞Ｂ"),
    (3, "C > A > B", "C &gt; A &gt; B"),
    (3, "C > A > B", "B < A < C"),
    (3, "C > A > B", "C >> A > B"),
    (3, "A = B > C", "A = B > C"),
    (3, "A = B > C", "{A, B} > C"),
    (3, "A = B > C", "A, B > C"),
    (3, "A = B > C", "(A, B) > C"),
    (3, "A = B > C", "A ≈ B > C"),
    (3, "A = B = C", "A = B = C"),
    (3, "C > A > B", "C (9/10) > A (7/10) > B (2/10)"),
    (3, "C > A > B", "After weighing everything my order is C > A > B because only C names its source."),
    (3, "C > B > A", "At first sight A > B > C. But A is wrong about the year.\n\nC > B > A"),
    (3, "C > A > B", "Final ranking: C > A > B"),
    (3, "C > A > B", "C\n> A\n> B"),
    (3, "C > A > B", "C, A, B"),
    (3, "C > A > B", "c, a, b"),
    (3, "C > A > B", "Ranking: C, A, B."),
    (3, "C > A > B", "The final ranking is C, A, and B."),
    (3, "C > A > B", "I would rank them as follows: Response C, then Response A, then Response B."),
    (3, "C > A > B", "Response C, followed by Response A and then Response B"),
    (3, "C > A > B", "Response C is better than Response A, which is better than Response B."),
    (3, "C > A > B", "C, A, then B"),
    (3, "C > A > B", "Ranking: C A B"),
    (3, "C > A > B", "Ranking: C - A - B"),
    (3, "C > A > B", "Ⓒ > Ⓐ > Ⓑ"),
    // Sentences.
    (3, "C > A > B", "First place goes to Response C, second place to Response A, and third place to Response B."),
    (3, "C > A > B", "Response C is first, Response A second and Response B third."),
    (3, "C > A > B", "Best: C\nSecond: A\nWorst: B"),
    (3, "C > A > B", "Response A: 2nd\nResponse B: 3rd\nResponse C: 1st"),
    // Points.
    (3, "C > A > B", "Response A: 7/10\nResponse B: 3/10\nResponse C: 9.5/10"),
    (3, "C > A > B", "A - score: 7, a little long\nB - score: 3, wrong\nC - score: 9, right"),
    (3, "C > A > B", "**Response A** – 70 points\n**Response B** – 30 points\n**Response C** – 95 points"),
    // Tables.
    (
        3,
        "C > A > B",
        "| Rank | Response | Why |\n|---|---|---|\n| 1 | C | better than A |\n| 2 | A | long |\n| 3 | B | wrong |",
    ),
    (3, "C > A > B", "| Response | Score |\n|:--|--:|\n| A | 7 |\n| B | 3 |\n| **C** | 9 |"),
    (3, "C > A > B", "Response | Rank\n---|---\nResponse A | 2\nResponse B | 3\nResponse C | 1"),
    (
        3,
        "C > A > B",
        "| Response | Accuracy | Style | Total |\n|---|---|---|---|\n| A | 5 | 2 | 7 |\n| B | 1 | 2 | 3 |\n| C | 5 | 4 | 9 |",
    ),
    (3, "C > A > B", "Final ranking:\n\n| Response | Comment |\n|---|---|\n| C | right |\n| A | long |\n| B | wrong |"),
    // Other languages.
    (3, "C > A > B", "Rangliste:\n1. Antwort C\n2. Antwort A\n3. Antwort B"),
    (3, "C > A > B", "Meine Reihenfolge lautet: Antwort C, dann Antwort A, dann Antwort B."),
    (3, "C > A > B", "Platz 1: Antwort C\nPlatz 2: Antwort A\nPlatz 3: Antwort B"),
    (3, "C > A > B", "Classement final :\n1. Réponse C\n2. Réponse A\n3. Réponse B"),
    (3, "C > A > B", "Réponse C > Réponse A > Réponse B"),
    (3, "C > A > B", "Clasificación final:\n1. Respuesta C\n2. Respuesta A\n3. Respuesta B"),
    (3, "C > A > B", "最终排名：\n1. 回答C\n2. 回答A\n3. 回答B"),
    (3, "C > A > B", "排名：回答C > 回答A > 回答B"),
    (3, "C > A > B", "第1位：回答C\n第2位：回答A\n第3位：回答B"),
    (3, "C > A > B", "Ответ С > Ответ А > Ответ В"),
    (3, "C > A > B", "1. 답변 C\n2. 답변 A\n3. 답변 B"),
    // And more of them.
    (3, "C > A > B", "My final ranking would be:\n\nC\nA\nB"),
    (3, "C > A > B", "Ranking: 1. C, 2. A, 3. B"),
    (3, "C > A > B", "The best response is C, followed by A, then B."),
    (3, "C > A > B", "C is the best, A is second, and B is the worst."),
    (3, "C > A > B", "Final answer: \\boxed{C > A > B}"),
    (3, "C > A > B", "ranking:\n  - C\n  - A\n  - B"),
    (3, "C > A > B", "<ranking>C, A, B</ranking>"),
    (3, "C > A > B", "<ranking>\n<item>C</item>\n<item>A</item>\n<item>B</item>\n</ranking>"),
    (3, "C > A > B", "ranking = ['C', 'A', 'B']"),
    (3, "C > A > B", "[\"C\", \"A\", \"B\"]\n\nThat is how I see them."),
    (3, "C > A > B", "Final ranking (best → worst): C → A → B"),
    (3, "C > A > B", "Ranking: C=1, A=2, B=3"),
    (3, "C > A > B", "1: C\n2: A\n3: B"),
    (3, "C > A > B", "1 - C\n2 - A\n3 - B"),
    (3, "C > A > B", "1.C\n2.A\n3.B"),
    (3, "C > A > B", "(1) C\n(2) A\n(3) B"),
    (3, "C > A > B", "{\"first\": \"C\", \"second\": \"A\", \"third\": \"B\"}"),
    (3, "C > A > B", "{\"ranking\": {\"best\": \"C\", \"middle\": \"A\", \"worst\": \"B\"}}"),
    (4, "C > A = D > B", "{\"ranking\": {\"best\": \"C\", \"worst\": \"B\"}}"),
    (3, "C > A > B", "{\"rank_1\": \"C\", \"rank_2\": \"A\", \"rank_3\": \"B\"}"),
    (3, "C > A > B", "> 1. C\n> 2. A\n> 3. B"),
    (3, "C > A > B", "Ranking\n=======\n1. C\n2. A\n3. B"),
    (3, "C > A > B", "ranking: C>A>B"),
    (2, "B > A", "B > A"),
    (2, "B > A", "Response B is better than Response A."),
    (3, "C > A > B", "La mejor es la respuesta C, luego la respuesta A y luego la respuesta B."),
    (
        3,
        "C > A > B",
        "## Evaluation\n\n**Response A**: 7/10. Good.\n**Response B**: 3/10. Wrong.\n**Response C**: 9/10. Great.\n\n## Ranking\n\n1. **Response C** (9/10)\n2. **Response A** (7/10)\n3. **Response B** (3/10)",
    ),
    // Many, and few.
    (9, "I > H > A = B > C > D > E > F > G", "Ranking: I > H > A = B > C > D > E > F > G"),
    (5, "E > A > D > B > C", "1. E\n2. A\n3. D\n4. B\n5. C"),
    (28, "AB > AA > Z > A", r#"{"ranking": ["AB", "AA", "Z", "A"]}"#),
    (1, "A", r#"{"ranking": ["A"]}"#),
];

/// What is no ranking, and why.
const NO_RANKINGS: &[(usize, Unread, &str)] = &[
    (3, Unread::Empty, ""),
    (3, Unread::Empty, " \n\t"),
    (3, Unread::CutOff, "<think>Let me see. A > B > C is"),
    (3, Unread::NoRanking, "I'm sorry, but I can't help with that."),
    (3, Unread::NoRanking, "I cannot rank these responses."),
    (3, Unread::NoRanking, "I am unable to rank A, B and C."),
    (3, Unread::NoRanking, "All three responses are of equal merit, and a ranking would do them no justice."),
    (3, Unread::NoRanking, "Ranking these three, A, B and C, is impossible: A is long, B is short, C is odd."),
    (3, Unread::NoRanking, "It is hard to do a ranking of A, B and C."),
    (3, Unread::NoRanking, "A good answer needs facts. I would like to see some."),
    (3, Unread::NoRanking, "Response A explains the idea well. Response B gives an example. Response C has both."),
    (
        3,
        Unread::NoRanking,
        "1. Response A explains the idea well.\n2. Response B gives an example.\n3. Response C has both.",
    ),
    (
        3,
        Unread::NoRanking,
        "First, Response A says it is cold. Second, Response B says it is warm. Third, Response C is unsure.",
    ),
    (
        3,
        Unread::NoRanking,
        "- Response C: has both\n- Response A: explains the idea\n- Response B: gives an example\n\nAll are fine.",
    ),
    (
        3,
        Unread::NoRanking,
        "In order to judge, I looked at each:\nResponse A is long.\nResponse B is short.\nResponse C is right.",
    ),
    (3, Unread::NoRanking, "Both A and C are better than B."),
    (3, Unread::NoRanking, "A > B in style."),
    (3, Unread::NoRanking, "It is not true that A > B > C."),
    (2, Unread::Several, "On style A > B but on facts B > A, so who knows."),
    (3, Unread::NoRanking, "I refuse to say whether A > B > C."),
    (3, Unread::Several, "By style it would be A > B > C and by facts C > B > A."),
    (3, Unread::NoRanking, "The capital of France is Paris."),
    (3, Unread::NoRanking, "See [A] and [B] for details, as in [C] of the appendix."),
    (3, Unread::NoRanking, "{\"reasons\": {\"A\": \"good\", \"B\": \"bad\", \"C\": \"odd\"}}"),
    (3, Unread::NoRanking, "{\"ranking\": []}"),
    (3, Unread::UnknownLabels, "{\"ranking\": [\"best\", \"second\", \"last\"]}"),
    (3, Unread::UnknownLabels, "{\"ranking\": [\"X\", \"Y\", \"Z\"]}"),
    (3, Unread::UnknownLabels, "{\"ranking\": [\"openai/gpt-5\", \"google/gemini-3-pro\"]}"),
    (3, Unread::Ambiguous, "{\"ranking\": [2, 1, 3]}"),
    (3, Unread::Ambiguous, "{\"A\": 1, \"B\": 3, \"C\": 2}"),
    (3, Unread::CutOff, "{\"ranking\": [\"B\""),
    (3, Unread::NoRanking, "{\"error\": \"I can't do that\"}"),
    (3, Unread::NoRanking, "| Response | Comment |\n|---|---|\n| C | right |\n| A | long |\n| B | wrong |"),
    (3, Unread::NoRanking, "Response A: 300 words\nResponse B: 200 words\nResponse C: 250 words"),
    (3, Unread::NoRanking, "Option A would be a nice day, option B a nice night; E.g. C-3PO agrees."),
    (3, Unread::NoRanking, "I give everyone 10/10!"),
    // Meant as one, but in words that nobody but a reader follows: it is asked for again.
    (3, Unread::NoRanking, "I rank C first, then A, and B last."),
    (2, Unread::NoRanking, "Response A is not better than Response B."),
    (3, Unread::NoRanking, "I can rank them if you like: shall I begin with A, B, or C?"),
    (3, Unread::NoRanking, "Answer A, B and C were all written by the same model."),
    (3, Unread::NoRanking, "Vitamin C > Vitamin A in oranges."),
    (3, Unread::NoRanking, "As for the order, A comes before B in the alphabet."),
    (3, Unread::NoRanking, "Step 1. Read response A. Step 2. Read response B. Step 3. Read response C."),
];

/// An order as `C > A = B`.
fn shown(order: &[Vec<usize>]) -> String {
    let place = |place: &Vec<usize>| {
        let mut names = place.clone();
        names.sort_unstable();
        names.into_iter().map(label).collect::<Vec<_>>().join(" = ")
    };
    order.iter().map(place).collect::<Vec<_>>().join(" > ")
}

#[test]
fn every_awkward_ranking_is_read_as_it_is_meant() {
    let wrong: Vec<String> = RANKINGS
        .iter()
        .filter_map(|&(labels, meant, text)| {
            let read = read(text, labels).map(|order| shown(&order));
            (read.as_deref() != Ok(meant)).then(|| format!("{text}\n  meant: {meant}\n  read: {read:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), RANKINGS.len(), wrong.join("\n"));
}

#[test]
fn what_is_no_ranking_is_not_taken_for_one() {
    let wrong: Vec<String> = NO_RANKINGS
        .iter()
        .filter_map(|&(labels, why, text)| {
            let read = read(text, labels).map(|order| shown(&order));
            (read != Err(why)).then(|| format!("{text}\n  meant: {why:?}\n  read: {read:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), NO_RANKINGS.len(), wrong.join("\n"));
}

/// Forms in which an order without ties may be written.
fn forms(order: &[usize]) -> Vec<String> {
    let names: Vec<String> = order.iter().map(|&at| label(at)).collect();
    let numbered = |line: fn(usize, &str) -> String| {
        names.iter().enumerate().map(|(at, name)| line(at + 1, name)).collect::<Vec<_>>().join("\n")
    };
    let mut sorted: Vec<(usize, usize)> = order.iter().enumerate().map(|(place, &at)| (at, place + 1)).collect();
    sorted.sort_unstable();
    let ranks = sorted.iter().map(|&(at, place)| format!("\"{}\": {place}", label(at))).collect::<Vec<_>>().join(", ");
    let points = sorted
        .iter()
        .map(|&(at, place)| format!("Response {}: {}/100", label(at), 90 - place))
        .collect::<Vec<_>>()
        .join("\n");
    vec![
        serde_json::json!({"ranking": names, "reasons": {"A": "B > A > C"}}).to_string(),
        format!("{{\"ranking\": {{{ranks}}}}}"),
        format!("Both A and B are fine; still:\n\n```\n[{}]\n```", names.join(", ")),
        format!("I see it so: {}.", names.join(" > ")),
        format!("Final ranking: {}", names.join(", ")),
        format!("My order:\n{}", numbered(|at, name| format!("{at}. Response {name} - as good as A and B together"))),
        format!("FINAL RANKING:\n{}", numbered(|at, name| format!("{at}) **{name}**"))),
        numbered(|at, name| format!("| {at} | Response {name} | better than A |")).replacen(
            '|',
            "| Rank | Who | Why |\n|---|---|---|\n|",
            1,
        ),
        points,
    ]
}

proptest! {
    #[test]
    fn every_order_comes_back_out_of_every_form(
        order in (2_usize..12).prop_flat_map(|labels| Just((0..labels).collect::<Vec<_>>()).prop_shuffle()),
    ) {
        let meant: Vec<Vec<usize>> = order.iter().map(|&at| vec![at]).collect();
        for form in forms(&order) {
            prop_assert_eq!(read(&form, order.len()), Ok(meant.clone()), "{}", form);
        }
    }

    #[test]
    fn nothing_that_is_read_names_anybody_twice_or_who_was_not_shown(
        words in prop::collection::vec(prop::sample::select(PIECES), 0..40), labels in 0_usize..6,
    ) {
        if let Ok(order) = read(&words.concat(), labels) {
            let mut named: Vec<usize> = order.iter().flatten().copied().collect();
            prop_assert!(!named.is_empty() && order.iter().all(|place| !place.is_empty()));
            named.sort_unstable();
            prop_assert!(named.windows(2).all(|pair| pair[0] < pair[1]) && named.iter().all(|&at| at < labels));
        }
    }

    #[test]
    fn any_text_at_all_is_gone_through(text: String, labels in 0_usize..40) {
        let _ = read(&text, labels);
    }
}

/// What ballots are made of, and what breaks readers.
const PIECES: &[&str] = &[
    "A",
    "B",
    "C",
    "Z",
    "a",
    " ",
    "\n",
    ">",
    "<",
    "=",
    ",",
    ".",
    ":",
    "1",
    "2",
    "3.",
    "1st",
    "10/10",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "\\",
    "\"ranking\"",
    "ranking",
    "Response ",
    "回答",
    "第",
    "位",
    "first ",
    "best to worst",
    " and ",
    " then ",
    "|",
    "---",
    "<think>",
    "</think>",
    "**",
    "`",
    "not ",
    "①",
    "Ⓑ",
    "＞",
    "\u{301}",
    "ß",
    "İ",
    "//",
    "\\u00e9",
    "score",
    "-",
];

#[test]
fn a_text_that_is_made_to_take_long_does_not() {
    // Some of these would take minutes if anything were gone through once for each of its signs.
    for piece in [
        "[",
        "{",
        "{\"a\":",
        "[\"",
        "A > ",
        "A, ",
        "1. A\n",
        "ranking: ",
        "<think>",
        "</think>",
        "(",
        "A (",
        "|\n",
        "// ",
    ] {
        let text = piece.repeat(200_000 / piece.len());
        let _ = read(&text, 3);
    }
}

#[test]
fn only_the_end_of_a_text_is_looked_at() {
    let long = format!("{}\n\n{{\"ranking\": [\"B\", \"A\"]}}", "ä ".repeat(1 << 20));
    assert_eq!(read(&long, 2).map(|order| shown(&order)).as_deref(), Ok("B > A"));
}
