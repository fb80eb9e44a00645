//! Keeps the house as `ARCHITECTURE.md` draws it: imports only go down, rooms of one floor do not see each other, no
//! file grows out of sight, and every path that the guides name exists.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// The floors of the house, from the ground up.
const FLOORS: [&[&str]; 7] =
    [&["base"], &["model"], &["wire", "net", "policy", "store"], &["call"], &["engine"], &["runs"], &["facade"]];

/// Lines of a file besides its tests, comments and blanks included.
const MAX_LINES: usize = 600;

/// What takes part in the size rule.
const SOURCES: [&str; 6] =
    ["core/src", "simulator/src", "bindings-ffi/src", "bindings-python/src", "examples", "tests"];

/// The pages whose paths are checked.
const GUIDES: [&str; 2] = ["ARCHITECTURE.md", "CONTRIBUTING.md"];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// One use of something in another place of the crate: where it stands and the absolute path it leads to.
#[derive(Debug, PartialEq)]
struct Import {
    line: usize,
    path: Vec<String>,
}

/// Collects what a file reaches for through `crate::`, `self::` and `super::`, in imports, types, expressions,
/// patterns, visibilities and the tokens of macros.
struct Imports {
    /// The module that is being read.
    module: Vec<String>,
    found: Vec<Import>,
}

impl Imports {
    fn of(module: &[&str], source: &str) -> Vec<Import> {
        let file = syn::parse_file(source).unwrap_or_else(|e| panic!("{module:?}: {e}"));
        let mut imports = Self { module: module.iter().map(|&m| m.to_owned()).collect(), found: Vec::new() };
        imports.visit_file(&file);
        imports.found
    }

    /// Resolves a path; what begins with anything but `crate`, `self` and `super` is another crate's or stays inside.
    fn add(&mut self, line: usize, segments: &[String]) {
        let mut base = match segments.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => self.module.clone(),
            _ => return,
        };
        for segment in segments {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => drop(base.pop()),
                name => base.push(name.to_owned()),
            }
        }
        self.found.push(Import { line, path: base });
    }

    fn add_tree(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) => self.add(tree.span().start().line, &with(&name.ident)),
            syn::UseTree::Rename(rename) => self.add(tree.span().start().line, &with(&rename.ident)),
            syn::UseTree::Glob(_) => self.add(tree.span().start().line, &[before, &["*".to_owned()]].concat()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(tree, before)),
        }
    }

    /// Paths in the tokens of a macro, whose grammar is not known: every `a::b::c`.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut line, mut colons) = (0, 0);
        for token in tokens {
            match &token {
                TokenTree::Ident(ident) if colons == 2 && !path.is_empty() => path.push(ident.to_string()),
                TokenTree::Punct(punct) if punct.as_char() == ':' && colons < 2 => {
                    colons += 1;
                    continue;
                }
                _ => {
                    self.add(line, &std::mem::take(&mut path));
                    if let TokenTree::Ident(ident) = &token {
                        (line, path) = (ident.span().start().line, vec![ident.to_string()]);
                    }
                }
            }
            colons = 0;
            if let TokenTree::Group(group) = token {
                self.add_tokens(group.stream());
            }
        }
        self.add(line, &path);
    }
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        // `pub(crate)` and `pub(super)` name no item.
        if segments.len() > 1 {
            self.add(path.span().start().line, &segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, makro: &'ast syn::Macro) {
        self.add_tokens(makro.tokens.clone());
        visit::visit_macro(self, makro);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }
}

/// What is wrong with the imports of one file, and the rooms it reaches for.
fn check_imports(file: &str, module: &[&str], source: &str) -> (Vec<String>, BTreeSet<String>) {
    let room = module[0];
    let Some(own) = floor(room) else {
        return (
            vec![format!("{file}: the room `{room}` stands on no floor; add it to FLOORS and to ARCHITECTURE.md")],
            BTreeSet::new(),
        );
    };
    let (mut wrong, mut rooms) = (Vec::new(), BTreeSet::new());
    for Import { line, path } in Imports::of(module, source) {
        let target = path.first().map_or("*", String::as_str);
        if target == room {
            continue;
        }
        let problem = match floor(target) {
            Some(other) if other < own => None,
            Some(other) if other == own => Some(format!("`{target}` is another room of the same floor")),
            Some(_) => Some(format!("`{target}` stands on a higher floor")),
            None => Some(format!("`{target}` is no room: import it from the room that owns it, not from the roof")),
        };
        wrong.extend(problem.map(|problem| format!("{file}:{line}: {problem}")));
        rooms.insert(target.to_owned());
    }
    (wrong, rooms)
}

/// A way from a room back to itself.
fn circle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(edges: &BTreeMap<String, BTreeSet<String>>, way: &mut Vec<String>) -> bool {
        let next = edges.get(&way[way.len() - 1]);
        for room in next.into_iter().flatten() {
            let closed = *room == way[0];
            if closed || !way.contains(room) {
                way.push(room.clone());
                if closed || walk(edges, way) {
                    return true;
                }
                way.pop();
            }
        }
        false
    }
    edges.keys().find_map(|start| {
        let mut way = vec![start.clone()];
        walk(edges, &mut way).then_some(way)
    })
}

/// How many lines of a file are not tests.
fn lines_besides_tests(source: &str) -> usize {
    let file = syn::parse_file(source).unwrap();
    let is_test = |attribute: &syn::Attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
    };
    let tests: usize = file
        .items
        .iter()
        .filter_map(|item| match item {
            syn::Item::Mod(item) if item.attrs.iter().any(is_test) => Some(item.span()),
            _ => None,
        })
        .map(|span| span.end().line - span.start().line + 1)
        .sum();
    source.lines().count() - tests
}

/// The paths that a page names: in backticks with a slash or a known ending, or as the target of a link. Commands,
/// patterns and addresses are none.
fn named_paths(page: &str) -> Vec<String> {
    const ENDINGS: [&str; 11] =
        [".rs", ".md", ".toml", ".json", ".py", ".sql", ".sh", ".lock", ".swift", ".kt", ".pyi"];
    let mut fenced = false;
    let prose: Vec<&str> = page
        .lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        })
        .collect();
    let prose = prose.join("\n");
    let in_backticks = prose.split('`').skip(1).step_by(2).filter(|word| {
        let is_path = word.contains('/') || ENDINGS.iter().any(|ending| word.ends_with(ending));
        is_path && !word.contains([' ', '<', '*', '…', '(', '"', '$', '=']) && !word.contains("//")
    });
    let links = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let links = links.filter(|link| !link.contains("://") && !link.starts_with('#'));
    in_backticks.chain(links).map(|path| path.trim_start_matches("./").to_owned()).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// `wire/openai_chat/mod.rs` is the module `wire::openai_chat`.
fn module_of(path: &Path) -> Vec<String> {
    let mut module: Vec<String> =
        path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    module.pop_if(|last| last == "mod");
    module
}

#[test]
fn imports_only_go_down() {
    let source = root().join("core/src");
    let (mut wrong, mut edges) = (Vec::new(), BTreeMap::<String, BTreeSet<String>>::new());
    let mut files = 0;
    for path in rust_files(&source) {
        let inside = path.strip_prefix(&source).unwrap();
        // The roof may see all rooms; it holds re-exports only.
        if inside == Path::new("lib.rs") {
            continue;
        }
        let module = module_of(inside);
        let module: Vec<&str> = module.iter().map(String::as_str).collect();
        let text = std::fs::read_to_string(&path).unwrap();
        let (problems, rooms) = check_imports(&format!("core/src/{}", inside.display()), &module, &text);
        wrong.extend(problems);
        edges.entry(module[0].to_owned()).or_default().extend(rooms);
        files += 1;
    }
    assert!(files > 20, "only {files} files were found");
    wrong.extend(circle(&edges).map(|way| format!("a circle: {}", way.join(" → "))));
    assert!(wrong.is_empty(), "the floors are broken:\n{}", wrong.join("\n"));
}

#[test]
fn no_file_is_longer_than_600_lines_besides_its_tests() {
    // `tests` at the root holds programs of their own.
    let is_test = |path: &Path| path.ends_with("tests.rs") || path.iter().skip(1).any(|part| part == "tests");
    let long: Vec<String> = SOURCES
        .iter()
        .flat_map(|folder| rust_files(&root().join(folder)))
        .filter(|path| !is_test(path.strip_prefix(root()).unwrap()))
        .map(|path| (lines_besides_tests(&std::fs::read_to_string(&path).unwrap()), path))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .map(|(lines, path)| format!("{} has {lines} lines; what second thing lives in it?", path.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_path_that_the_guides_name_exists() {
    let mut missing = Vec::new();
    for guide in GUIDES {
        let page = std::fs::read_to_string(root().join(guide)).unwrap_or_else(|e| panic!("{guide}: {e}"));
        let paths = named_paths(&page);
        assert!(paths.len() > 5, "{guide} names only {paths:?}");
        missing.extend(paths.into_iter().filter(|path| !root().join(path).exists()).map(|p| format!("{guide}: {p}")));
    }
    assert!(missing.is_empty(), "these do not exist:\n{}", missing.join("\n"));
}

/// The checker itself: it must be able to fail.
mod checker {
    use super::*;

    fn problems(module: &[&str], source: &str) -> Vec<String> {
        check_imports("file.rs", module, source).0
    }

    #[test]
    fn lets_imports_from_lower_floors_and_the_own_room_pass() {
        let source = "
            use std::fmt; use serde::Serialize; use crate::base::{Clock, Secret}; use crate::model::*;
            use super::frame; use super::super::wire::Dialect; use self::inner::Thing;
            fn f(x: crate::model::Part) -> crate::base::Json { vec![crate::wire::f(x)] }
        ";
        assert_eq!(problems(&["wire", "openai_chat", "decode"], source), [""; 0]);
    }

    #[test]
    fn finds_a_climb_wherever_it_hides() {
        for source in [
            "use crate::engine::Turn;",
            "use crate::{base::Clock, engine::Turn};",
            "use crate::{base::{self, Clock}, engine as up};",
            "use crate::engine::*;",
            "pub use crate::engine::Turn as T;",
            "pub(in crate::engine) fn f() {}",
            "fn f(x: crate::engine::Turn) {}",
            "fn f() { crate::engine::start() }",
            "fn f() { let x: Vec<Box<dyn crate::engine::Tool>> = g(); }",
            "fn f(x: X) { match x { crate::engine::A => {} } }",
            "impl crate::engine::Tool for X {}",
            "#[derive(X)] struct S<T: crate::engine::Tool>(T);",
            "fn f() { println!(\"{}\", crate::engine::NAME); }",
            "fn f() { select! { x = a => { let y = vec![1, [crate::engine::f(x)]]; } } }",
            "macro_rules! m { () => { $crate::engine::f() } }",
            "use super::super::engine::Turn;",
            "fn f() { super::super::engine::f() }",
            "mod inner { use super::super::super::engine::Turn; }",
            "#[cfg(test)] mod tests { fn f() { crate::engine::f() } }",
        ] {
            let found = problems(&["store", "sqlite"], source);
            assert_eq!(found.len(), 1, "{source}: {found:?}");
            assert!(found[0].starts_with("file.rs:1: `engine`"), "{found:?}");
        }
    }

    #[test]
    fn finds_a_neighbour_the_roof_and_a_room_without_a_floor() {
        let neighbour = problems(&["wire"], "\n\nuse crate::net::Transport;");
        assert_eq!(neighbour, ["file.rs:3: `net` is another room of the same floor"]);
        assert!(problems(&["store"], "use crate::Error;")[0].contains("is no room"));
        assert!(problems(&["store"], "use crate::*;")[0].contains("is no room"));
        assert!(problems(&["store"], "use super::net::Body;")[0].contains("same floor"));
        assert!(problems(&["attic", "box"], "")[0].contains("stands on no floor"));
    }

    #[test]
    fn does_not_take_words_for_paths() {
        let source = "
            //! Used by [`crate::engine`].
            /// See `crate::engine::Turn`.
            pub(crate) fn engine() { let engine = \"crate::engine::Turn\"; other::engine::f(); x.engine(); m!(a : engine) }
        ";
        assert_eq!(problems(&["store"], source), [""; 0]);
    }

    #[test]
    fn finds_a_circle_of_any_length() {
        let edges = |pairs: &[(&str, &str)]| {
            let mut edges = BTreeMap::<String, BTreeSet<String>>::new();
            for (from, to) in pairs {
                edges.entry((*from).to_owned()).or_default().insert((*to).to_owned());
            }
            edges
        };
        assert_eq!(circle(&edges(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
        assert_eq!(circle(&edges(&[("a", "b"), ("b", "a")])).unwrap(), ["a", "b", "a"]);
        assert_eq!(circle(&edges(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")])).unwrap(), ["b", "c", "d", "b"]);
    }

    #[test]
    fn counts_the_lines_besides_inline_tests() {
        let source = "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        assert_eq!(lines_besides_tests(source), 2);
        assert_eq!(lines_besides_tests("#[cfg(unix)]\nmod tests {\n}\n"), 3);
        assert_eq!(lines_besides_tests(&"fn a() {}\n".repeat(MAX_LINES + 1)), MAX_LINES + 1);
    }

    #[test]
    fn reads_paths_and_nothing_else_out_of_a_page() {
        let page = "
            See `core/src/base`, `deny.toml`, `./Makefile/`, [one](docs/one.md), [web](https://x.example/a), [here](#a).
            Not `make test`, `a::b`, `core/src/<room>/mod.rs`, `tests/*.json`, `https://x.example`, `lib`.
            ```
            `core/none.rs`
            ```
        ";
        assert_eq!(named_paths(page), ["core/src/base", "deny.toml", "Makefile/", "docs/one.md"]);
    }

    #[test]
    fn knows_the_module_of_a_file() {
        assert_eq!(module_of(Path::new("wire/mod.rs")), ["wire"]);
        assert_eq!(module_of(Path::new("wire/openai_chat/decode.rs")), ["wire", "openai_chat", "decode"]);
    }
}
