//! Matching names against the search patterns of QUERY_DIRECTORY.
//!
//! Owns [`Pattern`], parsed once per search and applied to each name. The work per name is bounded
//! by its length times the pattern's, whatever the pattern; nothing recurses or backtracks.

use super::upcase::{eq_ignore_case, upcase};

/// Whether the case of letters matters when names are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseRule {
    /// Names that differ in case only are the same name.
    Ignore,
    /// Names are compared unit by unit.
    Respect,
}

/// A search expression, ready to be applied to many names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    shape: Shape,
    case: CaseRule,
}

impl Pattern {
    /// Parses an expression; every sequence of units is one.
    pub fn new(expression: &[u16], case: CaseRule) -> Self {
        Self {
            shape: Shape::new(expression, case),
            case,
        }
    }

    /// The pattern that every name but the empty one matches.
    pub fn any() -> Self {
        Self {
            shape: Shape::Any,
            case: CaseRule::Ignore,
        }
    }

    /// Whether every name matches.
    pub fn is_any(&self) -> bool {
        self.shape == Shape::Any
    }

    /// The one name that this pattern can match, if it has no wildcards: look it up, do not list.
    pub fn literal(&self) -> Option<&[u16]> {
        match &self.shape {
            Shape::Literal(name) => Some(name),
            Shape::Any | Shape::Suffix(_) | Shape::General(_) => None,
        }
    }

    /// Whether `name` is in the expression.
    // [MS-FSA] 2.1.4.4
    pub fn matches(&self, name: &[u16]) -> bool {
        match &self.shape {
            Shape::Any => !name.is_empty(),
            Shape::Literal(literal) => self.same(literal, name),
            Shape::Suffix(tail) => name
                .len()
                .checked_sub(tail.len())
                .and_then(|start| name.get(start..))
                .is_some_and(|end| self.same(tail, end)),
            Shape::General(steps) => !name.is_empty() && general_match(steps, name, self.case),
        }
    }

    fn same(&self, left: &[u16], right: &[u16]) -> bool {
        match self.case {
            CaseRule::Ignore => eq_ignore_case(left, right),
            CaseRule::Respect => left == right,
        }
    }
}

/// Whether a unit is one of the five wildcards.
// [MS-FSA] 2.1.4.3
pub fn is_wildcard(unit: u16) -> bool {
    [STAR, QUESTION_MARK, DOS_STAR, DOS_QM, DOS_DOT].contains(&unit)
}

/// What a pattern is, cheapest first.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// `*` or `*.*`.
    Any,
    /// No wildcard.
    Literal(Box<[u16]>),
    /// `*` and then a literal.
    Suffix(Box<[u16]>),
    /// Everything else.
    General(Box<[Step]>),
}

impl Shape {
    fn new(expression: &[u16], case: CaseRule) -> Self {
        // [MS-FSA] 2.1.4.4
        if matches!(expression, [STAR] | [STAR, DOT, STAR]) {
            return Self::Any;
        }
        if !expression.iter().copied().any(is_wildcard) {
            return Self::Literal(expression.into());
        }
        if let [STAR, tail @ ..] = expression
            && !tail.iter().copied().any(is_wildcard)
        {
            return Self::Suffix(tail.into());
        }
        Self::General(steps(expression, case))
    }
}

/// One element of a general pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// This unit; already in upper case if case is ignored.
    Unit(u16),
    /// `?`: any one unit.
    One,
    /// `*`: any units.
    Star,
    /// `<`: any units up to and including the final period.
    DosStar,
    /// `>`: any one unit but a period; nothing before a period or at the end.
    DosQm,
    /// `"`: a period, or nothing at the end.
    DosDot,
}

/// Splits an expression into steps and folds runs of stars, so that a hostile run costs nothing.
fn steps(expression: &[u16], case: CaseRule) -> Box<[Step]> {
    let mut steps: Vec<Step> = Vec::with_capacity(expression.len());
    for &unit in expression {
        let step = match unit {
            STAR => Step::Star,
            QUESTION_MARK => Step::One,
            DOS_STAR => Step::DosStar,
            DOS_QM => Step::DosQm,
            DOS_DOT => Step::DosDot,
            _ if case == CaseRule::Ignore => Step::Unit(upcase(unit)),
            _ => Step::Unit(unit),
        };
        match (steps.last_mut(), step) {
            // Two stars of either kind reach every later position, as one `*` does: the first `<`
            // may stop behind the final period, from where the second goes anywhere.
            (Some(last @ (Step::Star | Step::DosStar)), Step::Star | Step::DosStar) => {
                *last = Step::Star;
            }
            _ => steps.push(step),
        }
    }
    steps.into_boxed_slice()
}

/// Runs the steps over the set of positions in the name that can be reached so far.
fn general_match(steps: &[Step], name: &[u16], case: CaseRule) -> bool {
    let positions = name.len().saturating_add(1);
    let mut short = [false; SHORT_NAME_POSITIONS];
    let mut long = Vec::new();
    let reached = if let Some(row) = short.get_mut(..positions) {
        row
    } else {
        long.resize(positions, false);
        long.as_mut_slice()
    };
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for &step in steps {
        match step {
            Step::Unit(wanted) => advance(reached, name, |unit| {
                Move::on_if(unit.is_some_and(|unit| {
                    unit == wanted || case == CaseRule::Ignore && upcase(unit) == wanted
                }))
            }),
            Step::One => advance(reached, name, |unit| Move::on_if(unit.is_some())),
            Step::DosQm => advance(reached, name, |unit| match unit {
                None | Some(DOT) => Move::Stay,
                Some(_) => Move::On,
            }),
            Step::DosDot => advance(reached, name, |unit| match unit {
                None => Move::Stay,
                unit => Move::on_if(unit == Some(DOT)),
            }),
            Step::Star => spread(reached),
            Step::DosStar => dos_star(reached, name),
        }
        if !reached.contains(&true) {
            return false;
        }
    }
    reached.last() == Some(&true)
}

/// What a step does at one position of the name.
enum Move {
    /// The step does not match here.
    Fail,
    /// The step consumes this unit.
    On,
    /// The step matches without consuming.
    Stay,
}

impl Move {
    fn on_if(matched: bool) -> Self {
        if matched { Self::On } else { Self::Fail }
    }
}

/// Moves each reached position by a step that consumes one unit, or none. `None` is the name's end.
fn advance(reached: &mut [bool], name: &[u16], step: impl Fn(Option<u16>) -> Move) {
    let mut arrives = false;
    let units = name.iter().copied().map(Some).chain([None]);
    for (position, unit) in reached.iter_mut().zip(units) {
        let from_before = arrives;
        arrives = false;
        let mut stays = false;
        if *position {
            match step(unit) {
                Move::Fail => {}
                Move::On => arrives = true,
                Move::Stay => stays = true,
            }
        }
        *position = from_before || stays;
    }
}

/// Reaches everything from the first reached position on.
fn spread(reached: &mut [bool]) {
    let start = reached
        .iter()
        .position(|&here| here)
        .unwrap_or(reached.len());
    if let Some(rest) = reached.get_mut(start..) {
        rest.fill(true);
    }
}

/// Reaches everything up to the position behind the final period; from behind it, everything.
fn dos_star(reached: &mut [bool], name: &[u16]) {
    let behind_period = name
        .iter()
        .rposition(|&unit| unit == DOT)
        .map_or(0, |period| period.saturating_add(1));
    let Some((before, behind)) = reached.split_at_mut_checked(behind_period) else {
        return;
    };
    spread(behind);
    spread(before);
    if before.last() == Some(&true)
        && let Some(first) = behind.first_mut()
    {
        *first = true;
    }
}

const DOT: u16 = 0x2E;
const STAR: u16 = 0x2A;
const QUESTION_MARK: u16 = 0x3F;
const DOS_STAR: u16 = 0x3C;
const DOS_QM: u16 = 0x3E;
const DOS_DOT: u16 = 0x22;

/// Names of up to 255 units, which is every legal one, are matched without allocating.
const SHORT_NAME_POSITIONS: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(&units(pattern), CaseRule::Ignore).matches(&units(name))
    }

    #[test]
    fn expressions_match_as_the_table_says() {
        let table = [
            // pattern, names that match, names that do not
            ("*", &["a", "a.b", ".a"][..], &[""][..]),
            ("*.*", &["a", "a.b", "noextension"], &[""]),
            ("readme", &["readme", "README"], &["readme.", "readm", ""]),
            (
                "*.txt",
                &["a.txt", ".txt", "a.b.TXT"],
                &["txt", "a.txt.c", "atxt"],
            ),
            ("a*", &["a", "abc", "A.b"], &["ba", ""]),
            ("*a*b*", &["ab", "xaxbx", "AxB"], &["ba", "a", "b"]),
            ("a?c", &["abc", "a.c"], &["ac", "abbc"]),
            ("???", &["abc", "..."], &["ab", "abcd"]),
            ("*.", &["a."], &["a", "a.b"]),
            ("*?", &["a", "ab"], &[""]),
            ("", &[""], &["a"]),
            // DOS_STAR stops behind the final period.
            ("<", &["a", "a."], &["", "a.b", "a.b.c"]),
            ("<.b", &["a.b", "a.a.b"], &["a.b.c", "b"]),
            ("<.", &["a."], &["a", "a.b"]),
            ("<b", &["b", "ab", "a.b"], &["a.cb", "a.b.c"]),
            ("<c", &["abc", "a.c", "a.b.c"], &["a.bc"]),
            ("<<", &["a", "a.b.c"], &[""]),
            ("<.<", &["a.b", "a.b.c", "a."], &["a"]),
            ("<\"*", &["a", "a.", "a.b", "a.b.c"], &[""]),
            // DOS_QM matches one unit that is no period, or none before a period or the end.
            (">>>", &["a", "ab", "abc"], &["abcd", "a.b"]),
            ("a>", &["a", "ab"], &["abc", "a.", "a.b"]),
            (
                ">>>.txt",
                &["a.txt", "abc.txt", ".txt"],
                &["abcd.txt", "a.b.txt"],
            ),
            (
                ">>>>>>>>.>>>",
                &["readme.txt", "a.b", "a."],
                &["a", "toolongname.txt"],
            ),
            (
                ">>>>>>>>\">>>",
                &["readme.txt", "a.b", "a.", "a"],
                &["a.long", "a.b.c"],
            ),
            // DOS_DOT matches a period, or nothing at the end.
            ("a\"", &["a", "a."], &["a.b", "ab"]),
            ("a\"b", &["a.b"], &["ab", "a"]),
            ("\"", &["."], &["a", ".."]),
            ("a\"\"", &["a", "a.", "a.."], &["a.b"]),
        ];
        for (pattern, yes, no) in table {
            for name in yes {
                assert!(matches(pattern, name), "{pattern} matches {name}");
            }
            for name in no {
                assert!(!matches(pattern, name), "{pattern} does not match {name}");
            }
        }
    }

    #[test]
    fn case_is_respected_on_request() {
        for expression in ["abc", "*bc", "a?c", "<c"] {
            let pattern = Pattern::new(&units(expression), CaseRule::Respect);
            assert!(pattern.matches(&units("abc")), "{expression}");
            assert!(!pattern.matches(&units("ABC")), "{expression}");
        }
    }

    #[test]
    fn only_an_expression_without_wildcards_is_literal() {
        assert_eq!(
            Pattern::new(&units("A.b"), CaseRule::Ignore).literal(),
            Some(&*units("A.b"))
        );
        for expression in ["*", "a*", "a?", "a<", "a>", "a\""] {
            assert_eq!(
                Pattern::new(&units(expression), CaseRule::Ignore).literal(),
                None
            );
        }
        assert!(Pattern::any().is_any() && Pattern::new(&units("*"), CaseRule::Respect).is_any());
    }

    #[test]
    fn hostile_patterns_take_no_longer_than_their_length_times_the_names() {
        let name = vec![u16::from(b'a'); 255];
        let mut hostile: Vec<u16> = units("*a").repeat(4_000);
        hostile.push(u16::from(b'b'));
        assert!(!Pattern::new(&hostile, CaseRule::Ignore).matches(&name));
        assert!(Pattern::new(&units("*<").repeat(16_000), CaseRule::Ignore).matches(&name));
        assert!(Pattern::new(&units(">").repeat(16_000), CaseRule::Ignore).matches(&name));
    }

    /// The rules of [MS-FSA] 2.1.4.4 part 2, written as plainly (and slowly) as can be.
    fn oracle(pattern: &[u16], name: &[u16]) -> bool {
        let period = u16::from(b'.');
        let Some((&wild, rest)) = pattern.split_first() else {
            return name.is_empty();
        };
        let consume = |rest| oracle(rest, &name[1..]);
        match char::from_u32(u32::from(wild)) {
            Some('*') => oracle(rest, name) || !name.is_empty() && consume(pattern),
            Some('?') => !name.is_empty() && consume(rest),
            Some('<') => (0..=name.len()).any(|taken| {
                let final_period = name.iter().rposition(|&unit| unit == period);
                final_period.is_none_or(|at| taken <= at + 1) && oracle(rest, &name[taken..])
            }),
            Some('>') if name.is_empty() || name[0] == period => oracle(rest, name),
            Some('>') => consume(rest),
            Some('"') if name.is_empty() => oracle(rest, name),
            _ if name.is_empty() => false,
            Some('"') => name[0] == period && consume(rest),
            _ => upcase(wild) == upcase(name[0]) && consume(rest),
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_rules_taken_literally(
            pattern in "[aB.*?<>\"]{0,8}", name in "[Ab.]{1,8}",
        ) {
            prop_assume!(pattern != "*.*" && !pattern.is_empty());
            let expected = oracle(&units(&pattern), &units(&name));
            prop_assert_eq!(matches(&pattern, &name), expected, "{} against {}", pattern, name);
        }

        #[test]
        fn matching_never_panics(pattern: Vec<u16>, name: Vec<u16>) {
            Pattern::new(&pattern, CaseRule::Ignore).matches(&name);
            Pattern::new(&pattern, CaseRule::Respect).matches(&name);
        }
    }
}
