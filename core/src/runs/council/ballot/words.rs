//! Words that matter in a ranking, in the languages that models answer in. All in lower case.

/// What an answer is called.
const NOUNS: &[&str] = &[
    "response",
    "responses",
    "answer",
    "answers",
    "candidate",
    "candidates",
    "option",
    "options",
    "reply",
    "replies",
    "model",
    "member",
    "label",
    "antwort",
    "antworten",
    "réponse",
    "réponses",
    "reponse",
    "respuesta",
    "respuestas",
    "risposta",
    "risposte",
    "resposta",
    "respostas",
    "antwoord",
    "antwoorden",
    "svar",
    "odpowiedź",
    "odpověď",
    "cevap",
    "yanıt",
    "ответ",
    "ответы",
    "відповідь",
    "回答",
    "答案",
    "回复",
    "应答",
    "応答",
    "답변",
    "응답",
    "إجابة",
    "الإجابة",
    "उत्तर",
];

/// Announces a ranking; the beginning of the word is enough.
const RANKINGS: &[&str] = &[
    "ranking",
    "ranked",
    "rank",
    "rangliste",
    "rangfolge",
    "reihenfolge",
    "order",
    "classement",
    "clasificaci",
    "classifica",
    "ranglijst",
    "rangschikking",
    "рейтинг",
    "排名",
    "排序",
    "順位",
    "ランキング",
    "순위",
    "ترتيب",
];

/// In a key that has one of these, no order stands.
const REASONS: &[&str] =
    &["reason", "expla", "criteri", "note", "method", "comment", "rationale", "confidence", "analy", "begründ"];

/// Numbers with this name are places.
const PLACES: &[&str] =
    &["rank", "place", "position", "platz", "rang", "puesto", "rango", "posizione", "место", "名次"];

/// Numbers with this name are points.
const POINTS: &[&str] = &[
    "score", "rating", "point", "total", "overall", "grade", "mark", "punkte", "note", "puntos", "分数", "得分",
    "评分", "点数",
];

/// Behind a label that is no article or pronoun.
const VERBS: &[&str] = &[
    "is",
    "was",
    "because",
    "since",
    "as",
    "has",
    "wins",
    "gives",
    "gave",
    "provides",
    "offers",
    "explains",
    "scores",
    "ranks",
    "comes",
    "takes",
    "gets",
    "then",
    "followed",
    "beats",
    "over",
    "better",
    "and",
    "or",
    "ist",
    "weil",
    "hat",
    "est",
    "car",
    "es",
    "porque",
    "goes",
    "deserves",
    "ties",
    "tied",
    "und",
    "et",
    "dann",
    "puis",
    "luego",
    "ahead",
    "e",
    "y",
    "outperforms",
    "vor",
    "devant",
];

/// Before an order that is not meant.
const DENIALS: &[&str] = &[
    "not",
    "cannot",
    "can't",
    "don't",
    "won't",
    "isn't",
    "couldn't",
    "wouldn't",
    "unable",
    "refuse",
    "impossible",
    "whether",
    "if",
    "example",
    "neither",
    "never",
    "nicht",
    "kann",
    "pas",
    "incapable",
    "imposible",
    "ob",
    "instead",
    "format",
];

/// The first places as words.
const ORDINALS: &[&[&str]] = &[
    &[
        "first",
        "1st",
        "best",
        "erster",
        "erste",
        "ersten",
        "premier",
        "première",
        "primero",
        "primera",
        "primo",
        "prima",
        "primeiro",
    ],
    &["second", "2nd", "zweiter", "zweite", "deuxième", "segundo", "segunda", "secondo", "seconda"],
    &["third", "3rd", "dritter", "dritte", "troisième", "tercero", "tercera", "terzo", "terza", "terceiro"],
    &["fourth", "vierter", "vierte", "quatrième", "cuarto", "quarto"],
    &["fifth", "fünfter", "fünfte", "cinquième", "quinto"],
    &["sixth", "sechster", "sechste", "sixième", "sexto", "sesto"],
    &["seventh"],
    &["eighth"],
];

/// The last place, whichever that is.
const LAST: &[&str] = &["last", "worst", "letzter", "letzte", "dernier", "último", "ultimo"];

/// A number that stands for the last place.
pub(super) const LAST_PLACE: f64 = 1_000.0;

pub(super) fn is_noun(word: &str) -> bool {
    NOUNS.contains(&word)
}

pub(super) fn is_ranking(word: &str) -> bool {
    RANKINGS.iter().any(|known| word.starts_with(known))
}

/// A name of a field in which the order stands.
pub(super) fn is_ranking_key(key: &str) -> bool {
    let is_either = |key: &str, words: &[&str]| words.iter().any(|word| key.contains(word));
    (is_either(key, RANKINGS) || key.contains("best") && key.contains("worst") || key.contains("preference"))
        && !is_either(key, REASONS)
}

pub(super) fn is_place(word: &str) -> bool {
    PLACES.iter().any(|known| word.starts_with(known))
}

pub(super) fn is_points(word: &str) -> bool {
    POINTS.iter().any(|known| word.contains(known))
}

pub(super) fn is_verb(word: &str) -> bool {
    VERBS.contains(&word)
}

pub(super) fn is_denial(word: &str) -> bool {
    DENIALS.contains(&word)
}

/// The place that a word stands for.
pub(super) fn ordinal(word: &str) -> Option<f64> {
    if LAST.contains(&word) {
        return Some(LAST_PLACE);
    }
    let named = ORDINALS.iter().position(|words| words.contains(&word));
    let at = named.map(|at| at + 1).or_else(|| {
        let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
        let is_ending =
            matches!(&word[digits.len()..], "st" | "nd" | "rd" | "th" | "er" | "e" | "ère" | "ème" | "º" | "ª");
        digits.parse().ok().filter(|_| is_ending)
    })?;
    u32::try_from(at).ok().map(f64::from)
}

/// How words between two labels put them in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Between {
    /// The first is before the second.
    Before,
    /// They are equal, or the list goes on.
    And,
}

/// What these words between two labels say; nothing when that is none of it.
pub(super) fn between(words: &[&str]) -> Option<Between> {
    const BEFORE: &[&str] = &[
        "then",
        "and then",
        "followed by",
        "and finally",
        "finally",
        "better than",
        "is better than",
        "beats",
        "over",
        "ahead of",
        "before",
        "is preferred to",
        "outperforms",
        "lastly",
        "and lastly",
        "dann",
        "und dann",
        "gefolgt von",
        "danach",
        "vor",
        "besser als",
        "puis",
        "ensuite",
        "suivi de",
        "et enfin",
        "devant",
        "luego",
        "después",
        "seguido de",
        "y luego",
        "seguida de",
        "poi",
        "depois",
        "затем",
        "потом",
        "然后",
        "其次",
        "最后",
        "優於",
        "优于",
        "sigue",
    ];
    const AND: &[&str] = &[
        "and",
        "und",
        "et",
        "y",
        "e",
        "и",
        "和",
        "と",
        "tied with",
        "is tied with",
        "equals",
        "equal to",
        "ties with",
        "is equal to",
        "gleichauf mit",
    ];
    let words = words.join(" ");
    if BEFORE.contains(&words.as_str()) {
        Some(Between::Before)
    } else {
        AND.contains(&words.as_str()).then_some(Between::And)
    }
}
