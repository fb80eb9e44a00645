//! The ranking in a table of Markdown.

use super::prose::head;
use super::tokens::{Token, tokens};
use super::{Meaning, Order, Unread, by_numbers, tidy, words};

/// What the last table of a text says that names answers. Without numbers the order of its rows counts only when it was
/// announced as a ranking.
pub(super) fn read(text: &str, labels: usize, is_ranking: bool) -> Option<Result<Order, Unread>> {
    let mut tables: Vec<Vec<Vec<&str>>> = vec![Vec::new()];
    for line in text.lines() {
        match line.contains('|') {
            true => tables.last_mut()?.push(line.trim().trim_matches('|').split('|').map(str::trim).collect()),
            false => tables.push(Vec::new()),
        }
    }
    tables.iter().rev().filter(|rows| rows.len() > 2).find_map(|rows| table(rows, labels, is_ranking))
}

fn table(rows: &[Vec<&str>], labels: usize, is_ranking: bool) -> Option<Result<Order, Unread>> {
    let (header, rows) = rows.split_first()?;
    let rows: Vec<&Vec<&str>> =
        rows.iter().filter(|row| row.iter().any(|c| c.contains(char::is_alphanumeric))).collect();
    let answer = |row: &Vec<&str>, column: usize| {
        row.get(column).and_then(|cell| head(&tokens(cell, labels))).map(|head| head.labels)
    };
    let answers = (0..header.len()).max_by_key(|&column| {
        // Of equally good columns the first.
        (rows.iter().filter(|row| answer(row, column).is_some()).count(), usize::MAX - column)
    })?;
    if rows.iter().filter(|row| answer(row, answers).is_some()).count() < 2.min(labels) {
        return None;
    }
    let titled = |is_it: fn(&str) -> bool| {
        let is_titled = |title: &&str| title.split_whitespace().any(|word| is_it(&word.to_lowercase()));
        header.iter().position(is_titled).filter(|&column| column != answers)
    };
    let is_place: fn(&str) -> bool = |word| words::is_place(word) || words::is_ranking(word) || word == "#";
    let numbers = |column: usize| -> Vec<(usize, f64)> {
        let row = |row: &&Vec<&str>| {
            let number = tokens(row.get(column)?, 0).into_iter().find_map(|token| match token {
                Token::Number(number) | Token::Place(number) => Some(number),
                _ => None,
            })?;
            Some(answer(row, answers)?.into_iter().map(|at| (at, number)).collect::<Vec<_>>())
        };
        rows.iter().filter_map(row).flatten().collect()
    };
    let total: fn(&str) -> bool = |word| matches!(word, "total" | "overall" | "sum" | "gesamt" | "total:");
    if let Some(column) = titled(is_place) {
        return by_numbers(&numbers(column), Some(Meaning::Places), true, labels);
    }
    if let Some(column) = titled(total).or_else(|| titled(words::is_points)) {
        return by_numbers(&numbers(column), Some(Meaning::Points), false, labels);
    }
    let order = || tidy(rows.iter().filter_map(|row| answer(row, answers)).collect(), labels).map(Ok);
    if is_ranking { order() } else { None }
}
