//! Words that are as varied as those of people: some of them often, most of them seldom. The same each time.

/// How many different words there are.
const WORDS: u64 = 20_000;

const SYLLABLES: [&str; 16] =
    ["ka", "lo", "mi", "ren", "ta", "su", "ver", "an", "di", "po", "el", "gra", "nu", "tis", "ma", "or"];

/// Text of about so many bytes; another one for each number.
pub fn prose(number: usize, bytes: usize) -> String {
    let mut state = number as u64 ^ 0x9E37_79B9_7F4A_7C15;
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = (state >> 33) as f64 / (1_u64 << 31) as f64;
        // By the third power: one word in five is among the 200 most frequent, as in most languages.
        let mut word = (share.powi(3) * WORDS as f64) as u64 + 16;
        if !text.is_empty() {
            text.push(' ');
        }
        while word > 0 {
            text.push_str(SYLLABLES[(word % 16) as usize]);
            word /= 16;
        }
    }
    text
}
