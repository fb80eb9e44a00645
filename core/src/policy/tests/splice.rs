//! Joining a continuation: nothing is said twice, nothing new is lost, however it is cut into pieces.

use proptest::prelude::*;

use super::*;

/// What is delivered behind `said` when `more` comes in pieces of this many characters.
fn joined(said: &str, more: &str, piece: usize) -> String {
    let mut splice = Splice::new(said);
    let letters: Vec<char> = more.chars().collect();
    let mut new = String::new();
    for piece in letters.chunks(piece) {
        new += &splice.push(&piece.iter().collect::<String>());
    }
    new + &splice.finish()
}

#[test]
fn what_is_repeated_is_cut_off_and_what_is_new_is_kept() {
    let cases = [
        // Goes on as it should.
        ("The capital of Peru is", " Lima.", " Lima."),
        ("The capital of Pe", "ru is Lima.", "ru is Lima."),
        ("let", "ter", "ter"),
        ("It costs 1", "0 euros", "0 euros"),
        ("Wait.", ".. what?", ".. what?"),
        // Begins with the last word or words once more.
        ("The capital of Peru is", "is Lima.", " Lima."),
        ("The capital of Peru is", "Peru is Lima.", " Lima."),
        ("The beautiful ci", "city of Lima", "ty of Lima"),
        ("The beautiful ci", " beautiful city of Lima", "ty of Lima"),
        // Begins anew, from the very beginning.
        ("The capital of Peru is", "The capital of Peru is Lima.", " Lima."),
        ("The capital of Peru is", "The capital of Peru is", ""),
        // Begins anew in other words: nobody can tell.
        ("The capital of Peru is", "Peru's capital is Lima.", "Peru's capital is Lima."),
        // Blanks at the seam.
        ("one two ", "three", "three"),
        ("one two ", " three", "three"),
        ("one two ", "two three", "three"),
        ("one two\n\n", "\n- three", "- three"),
        ("one two ", "\n\nthree", "\n\nthree"),
        ("one two", "two\n three", "\n three"),
        // Without blanks between words a repetition is one when it is long.
        ("秘鲁的首都是利马这座美丽的城市", "首都是利马这座美丽的城市在海边", "在海边"),
        ("sie ist ein Donaudampfschiff", "dampfschiffkapitän", "kapitän"),
        // Nothing comes.
        ("one", "", ""),
    ];
    for (said, more, expected) in cases {
        for piece in 1..=more.chars().count().max(1) {
            assert_eq!(joined(said, more, piece), expected, "{said:?} + {more:?} in pieces of {piece}");
        }
    }
}

#[test]
fn what_cannot_be_a_repetition_is_not_held_back() {
    let mut splice = Splice::new("The capital of Peru is");
    assert_eq!(splice.push(" Lima"), " Lima");
    assert_eq!(splice.push(", is"), ", is", "behind the seam nothing is looked at any more");
    assert_eq!((splice.finish().as_str(), splice.cut()), ("", 0));

    let mut splice = Splice::new("The capital of Peru is ");
    assert_eq!(splice.beginning(), "The capital of Peru is", "several providers refuse blanks at the end");
    assert_eq!(splice.push("Peru"), "");
    assert_eq!(splice.push(" is L"), "L");
    assert_eq!(splice.cut(), 8);
}

#[test]
fn a_long_text_that_begins_anew_is_recognised_whole() {
    let said: String = (0..20_000).map(|n| format!("{n} ")).collect();
    let more = format!("{said}and so on");
    assert!(said.len() > 100_000);
    assert_eq!(joined(&said, &more, 1_000), "and so on");
}

proptest! {
    #[test]
    fn whatever_comes_the_same_is_delivered_however_it_is_cut(
        said in "[ab \n.é]{1,30}", more in "[ab \n.é]{0,30}", piece in 1_usize..9,
    ) {
        prop_assert_eq!(joined(&said, &more, piece), joined(&said, &more, 1_000));
    }

    #[test]
    fn what_is_delivered_is_always_the_end_of_what_came(said in "\\PC{1,40}", more in "\\PC{0,40}", piece in 1_usize..9) {
        let new = joined(&said, &more, piece);
        prop_assert!(more.ends_with(&new), "{:?}", new);
    }

    #[test]
    fn whoever_repeats_whole_words_of_the_end_adds_only_what_is_new(
        words in prop::collection::vec("[a-e]{1,6}", 2..12), again in 1_usize..12, new in "[f-z]{1,8}",
    ) {
        let said = words.join(" ");
        let again = again.min(words.len());
        let more = format!("{} {new}", words[words.len() - again..].join(" "));
        prop_assert_eq!(joined(&said, &more, 3), format!(" {new}"));
    }
}
