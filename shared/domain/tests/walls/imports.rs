//! Which top-level modules of a crate import which, read from the text.

use std::collections::{BTreeMap, BTreeSet};

/// Each top-level module with those that it imports.
pub(crate) type Graph = BTreeMap<String, BTreeSet<String>>;

/// The graph of a crate's sources, which are keyed by their path. Tests do not count, nor programs
/// and the crate's root, which import whatever they like.
pub(crate) fn graph(sources: &BTreeMap<String, String>) -> Graph {
    let mut graph = Graph::new();
    for (path, text) in sources {
        let top = path.split('/').next().unwrap_or(path);
        let top = top.strip_suffix(".rs").unwrap_or(top);
        if ["lib", "main", "bin", "tests"].contains(&top) || path.ends_with("/tests.rs") {
            continue;
        }
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
        // The root is what is above a file beside it.
        let code = if path.contains('/') {
            code.to_owned()
        } else {
            code.replace("super::", "crate::")
        };
        let imported = imports(&code).into_iter().filter(|module| module != top);
        graph.entry(top.to_owned()).or_default().extend(imported);
    }
    graph
}

/// The modules after each `crate::` of a text, also where they are in braces. Comments do not
/// count.
fn imports(code: &str) -> Vec<String> {
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let is_whole = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
        if !is_whole {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(heads(list)),
            None => found.extend(head(rest)),
        }
    }
    found
}

/// The first name of each item of a list in braces, whose opening brace is behind us.
fn heads(list: &str) -> Vec<String> {
    let (mut depth, mut item, mut found) = (0_u32, String::new(), Vec::new());
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.extend(head(item.trim()));
                item.clear();
                continue;
            }
            _ => {}
        }
        item.push(c);
    }
    found.extend(head(item.trim()));
    found
}

/// The module that a path begins with; none where it begins with a type, a constant or a macro.
fn head(path: &str) -> Option<String> {
    let end = path
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(path.len());
    let name = &path[..end];
    let is_module = name.starts_with(|c: char| c.is_ascii_lowercase());
    is_module.then(|| name.to_owned())
}

/// A circle of modules, in order, if there is one.
pub(crate) fn circle(graph: &Graph) -> Option<Vec<String>> {
    fn visit<'g>(
        graph: &'g Graph,
        module: &'g str,
        path: &mut Vec<&'g str>,
        done: &mut BTreeSet<&'g str>,
    ) -> Option<Vec<String>> {
        if let Some(begin) = path.iter().position(|it| *it == module) {
            return Some(path[begin..].iter().map(|it| (*it).to_owned()).collect());
        }
        if !done.insert(module) {
            return None;
        }
        path.push(module);
        let found = graph.get(module).into_iter().flatten();
        let found = found
            .map(String::as_str)
            .find_map(|next| visit(graph, next, path, done));
        path.pop();
        found
    }
    let mut done = BTreeSet::new();
    graph
        .keys()
        .find_map(|module| visit(graph, module, &mut Vec::new(), &mut done))
}
