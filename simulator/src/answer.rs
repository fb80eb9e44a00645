//! From a script and a request to what the reply says, before any dialect puts it into words of its own.

use crate::script::{Script, Usage};

/// What a request asks for, in the same terms for every dialect.
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// Whether a stream ends with token counts. Always true where the dialect has no such switch.
    pub(crate) include_usage: bool,
    /// The bytes of all messages.
    pub(crate) prompt_bytes: usize,
}

/// What a request says, as far as a reply takes it up.
#[derive(Default)]
pub(crate) struct Talk {
    /// The user's last words.
    pub(crate) last: String,
    /// Messages of user, assistant and tools.
    pub(crate) messages: usize,
    /// What is not text in the user's last message.
    pub(crate) attachments: usize,
    /// The results of tools, when the last message brings any.
    pub(crate) results: Option<String>,
}

impl Talk {
    fn echo(&self) -> String {
        let plural = |count, noun| if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") };
        let mut text = match &self.results {
            Some(results) => format!("The tool answered: {results}."),
            None => format!("You said: \"{}\".", self.last),
        };
        if self.results.is_none() && self.attachments > 0 {
            text.push_str(&format!(" You sent {} along.", plural(self.attachments, "attachment")));
        }
        text.push_str(&format!(" I have seen {} in this conversation.", plural(self.messages, "message")));
        text
    }
}

/// What a reply says.
pub(crate) struct Answer {
    pub(crate) model: String,
    pub(crate) reasoning: Vec<String>,
    pub(crate) text: Vec<String>,
    pub(crate) refusal: Vec<String>,
    pub(crate) tools: Vec<ToolUse>,
    pub(crate) finish: Finish,
    pub(crate) tokens: Option<Tokens>,
}

pub(crate) struct ToolUse {
    pub(crate) name: String,
    pub(crate) arguments: String,
    pub(crate) fragments: Vec<String>,
}

#[derive(PartialEq)]
pub(crate) enum Finish {
    Stop,
    ToolCalls,
    Refusal,
    /// As the script writes it.
    Word(String),
}

#[derive(Clone, Copy)]
pub(crate) struct Tokens {
    /// All that was sent in, cached included.
    pub(crate) input: u64,
    pub(crate) cached: u64,
    /// All that was generated, reasoning included.
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
}

impl Answer {
    pub(crate) fn new(script: &Script, ask: &Ask, talk: &Talk) -> Self {
        let tools: Vec<_> = if talk.results.is_none() || script.repeat_tools { &script.tools[..] } else { &[] }
            .iter()
            .map(|(name, arguments)| ToolUse {
                name: name.clone(),
                arguments: arguments.clone(),
                fragments: pieces(arguments, script.fragments),
            })
            .collect();
        let refusal = script.refusal.as_deref().unwrap_or_default();
        let text = match &script.text {
            Some(text) => text.clone(),
            None if refusal.is_empty() && tools.is_empty() => talk.echo(),
            None => String::new(),
        };
        let reasoning = script.reasoning.as_deref().unwrap_or_default();
        let finish = match &script.finish {
            Some(word) => Finish::Word(word.clone()),
            None if !tools.is_empty() => Finish::ToolCalls,
            None if !refusal.is_empty() => Finish::Refusal,
            None => Finish::Stop,
        };
        let split = |text: &str| match script.chunks {
            Some(count) => pieces(text, count),
            None => words(text),
        };
        let counted = |bytes: usize| bytes.div_ceil(4) as u64;
        let thought = counted(reasoning.len());
        let spoken = text.len() + refusal.len() + tools.iter().map(|tool| tool.arguments.len()).sum::<usize>();
        let tokens = match script.usage {
            Usage::None => None,
            Usage::Fixed { input, output } => {
                Some(Tokens { input, output, cached: script.cached.min(input), reasoning: thought.min(output) })
            }
            Usage::Counted => {
                let input = counted(ask.prompt_bytes);
                let output = counted(spoken) + thought;
                Some(Tokens { input, output, cached: script.cached.min(input), reasoning: thought })
            }
        };
        Self {
            model: ask.model.clone(),
            reasoning: split(reasoning),
            text: split(&text),
            refusal: split(refusal),
            tools,
            finish,
            tokens,
        }
    }
}

/// Each word with the blanks before it, as models give their tokens.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut blank = true;
    for character in text.chars() {
        let starts = character.is_whitespace() && !blank;
        blank = character.is_whitespace();
        match words.last_mut() {
            Some(word) if !starts => word.push(character),
            _ => words.push(character.to_string()),
        }
    }
    words
}

/// The text in `count` pieces of about the same length; fewer when it has fewer characters.
fn pieces(text: &str, count: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let count = count.min(characters.len());
    (0..count)
        .map(|n| characters[n * characters.len() / count..(n + 1) * characters.len() / count].iter().collect())
        .collect()
}
