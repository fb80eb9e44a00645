//! Lines in, words out.

use std::io::{BufRead as _, Write as _};

/// Asks for a line, off the loop; nothing at the end of the input.
pub async fn line(prompt: &'static str) -> Option<String> {
    let read = tokio::task::spawn_blocking(move || {
        write(prompt);
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        read.ok().filter(|bytes| *bytes > 0).map(|_| line.trim_end().to_owned())
    });
    read.await.ok().flatten()
}

/// Writes at once, without a line end.
pub fn write(text: &str) {
    print!("{text}");
    // A closed terminal is no reason to lose the reply, which is kept on disk anyway.
    let _ = std::io::stdout().flush();
}

/// At most this many characters.
pub fn cut(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars().take(chars - 1).chain(['…']).collect()
}
