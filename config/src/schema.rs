//! How a section of the file names its settings, and the visitors that walk them: reading,
//! printing, adopting.

use std::{any::Any, collections::VecDeque, ops::RangeInclusive};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    mistake::{Mistake, Source, nearest},
    value::{Unfit, Value},
};

/// A section of the file. Its fields start with their defaults.
pub(crate) trait Section {
    /// Sections that may stand below it, which are read by themselves.
    const SECTIONS: &'static [&'static str] = &[];

    /// Shows each setting with its field to the visitor, in the order in which they are printed.
    fn settings(&mut self, visitor: &mut impl Visitor);
}

/// Something to be done with every setting of a section.
pub(crate) trait Visitor {
    /// One setting and its field.
    fn visit<T: Value>(&mut self, setting: Setting<T>, field: &mut T);
}

/// When a changed setting takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// On reload, for whatever begins after it.
    Reload,
    /// Only when the server is started again.
    Restart,
}

/// What is known of a setting besides its value.
pub(crate) struct Setting<T> {
    name: &'static str,
    effect: Effect,
    expects: String,
    accepts: Box<dyn Fn(&T) -> bool>,
}

/// A setting that takes effect on reload.
pub(crate) fn live<T: Value>(name: &'static str) -> Setting<T> {
    Setting {
        name,
        effect: Effect::Reload,
        expects: T::expects(),
        accepts: Box::new(|_| true),
    }
}

/// A setting that takes effect when the server is started again.
pub(crate) fn fixed<T: Value>(name: &'static str) -> Setting<T> {
    Setting {
        effect: Effect::Restart,
        ..live(name)
    }
}

impl<T: Value> Setting<T> {
    /// A condition beyond the kind of the value, and the same in words that follow "give".
    pub(crate) fn only(self, expects: &str, accepts: impl Fn(&T) -> bool + 'static) -> Self {
        Self {
            expects: expects.to_owned(),
            accepts: Box::new(accepts),
            ..self
        }
    }

    /// The least and the greatest value.
    pub(crate) fn within(self, bounds: RangeInclusive<T>) -> Self
    where
        T: PartialOrd,
    {
        let (least, greatest) = (bounds.start().write(), bounds.end().write());
        let expects = format!("{}, {least} to {greatest}", T::expects());
        self.only(&expects, move |value| bounds.contains(value))
    }
}

/// Reads a section's settings from its table and notes each mistake; a setting left out keeps its
/// default.
pub(crate) struct Reader<'a> {
    source: Source<'a>,
    section: &'static str,
    /// Where the section begins, for mistakes about what is missing.
    begins: usize,
    table: &'a DeTable<'a>,
    known: Vec<&'static str>,
    mistakes: &'a mut Vec<Mistake>,
}

impl<'a> Reader<'a> {
    /// A reader of the table that stands under the name `section`; if it is no table, that is a
    /// mistake and `None`.
    pub(crate) fn new(
        source: Source<'a>,
        section: &'static str,
        value: &'a Spanned<DeValue<'a>>,
        mistakes: &'a mut Vec<Mistake>,
    ) -> Option<Self> {
        let begins = value.span().start;
        let Some(table) = value.get_ref().as_table() else {
            let wrong = format!("it is of type {}", value.get_ref().type_str());
            let right =
                format!("give a section: [{section}] on its own line and its settings below");
            mistakes.push(source.mistake(begins, section.to_owned(), wrong, right));
            return None;
        };
        Some(Self {
            source,
            section,
            begins,
            table,
            known: Vec::new(),
            mistakes,
        })
    }

    /// Reads every setting of the section and notes each key that is none.
    pub(crate) fn section<T: Section + Default>(&mut self) -> T {
        let mut section = T::default();
        self.fill(&mut section);
        section
    }

    /// As [`Reader::section`], with what a setting left out keeps.
    pub(crate) fn fill<T: Section>(&mut self, section: &mut T) {
        section.settings(self);
        self.known.extend(T::SECTIONS);
        for key in self
            .table
            .keys()
            .filter(|key| !self.known.contains(&key.get_ref().as_ref()))
        {
            let name = key.get_ref();
            let right = match nearest(name, &self.known) {
                Some(known) => format!("perhaps {known:?} is meant"),
                None => format!("give one of {}", self.known.join(", ")),
            };
            let wrong = "there is no such setting".to_owned();
            let key_path = format!("{}.{name}", self.section);
            self.mistakes.push(
                self.source
                    .mistake(key.span().start, key_path, wrong, right),
            );
        }
    }

    /// Notes a mistake that one value alone does not show; it points to the setting, or to the
    /// section if it is left out.
    pub(crate) fn mistake(&mut self, name: &str, wrong: &str, right: &str) {
        let entry = self.table.get_key_value(name);
        let at = entry.map_or(self.begins, |(key, _)| key.span().start);
        let key = format!("{}.{name}", self.section);
        self.mistakes.push(
            self.source
                .mistake(at, key, wrong.to_owned(), right.to_owned()),
        );
    }

    /// The value of one setting, of which every mistake is noted; none if there is no right one.
    pub(crate) fn one<T: Value>(&mut self, name: &'static str, missing: &str) -> Option<T> {
        let Some(value) = self.table.get(name) else {
            self.mistake(name, missing, &format!("give {}", T::expects()));
            return None;
        };
        let read = T::read(value);
        if let Err(unfit) = &read {
            let wrong = format!("{} does not fit", unfit.shown);
            self.mistake(name, &wrong, &format!("give {}", T::expects()));
        }
        read.ok()
    }

    /// Whether the file says anything about this setting.
    pub(crate) fn says(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }
}

impl Visitor for Reader<'_> {
    fn visit<T: Value>(&mut self, setting: Setting<T>, field: &mut T) {
        self.known.push(setting.name);
        let Some(value) = self.table.get(setting.name) else {
            return;
        };
        let accepted = T::read(value).and_then(|read| match (setting.accepts)(&read) {
            true => Ok(read),
            false => Err(Unfit::new(value)),
        });
        match accepted {
            Ok(read) => *field = read,
            Err(unfit) => {
                let key = format!("{}.{}", self.section, setting.name);
                let wrong = format!("{} does not fit", unfit.shown);
                let right = format!("give {}", setting.expects);
                self.mistakes
                    .push(self.source.mistake(unfit.at.start, key, wrong, right));
            }
        }
    }
}

/// One setting with its value, as printed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) effect: Effect,
    /// What the file may say, in words.
    pub(crate) expects: String,
    pub(crate) value: toml::Value,
}

/// Every setting of a section with its value.
pub(crate) fn entries<T: Section + Clone>(section: &T) -> Vec<Entry> {
    struct Printer(Vec<Entry>);

    impl Visitor for Printer {
        fn visit<T: Value>(&mut self, setting: Setting<T>, field: &mut T) {
            let Setting {
                name,
                effect,
                expects,
                accepts: _,
            } = setting;
            self.0.push(Entry {
                name,
                effect,
                expects,
                value: field.write(),
            });
        }
    }

    let mut printer = Printer(Vec::new());
    section.clone().settings(&mut printer);
    printer.0
}

/// Gives `new` the values of `old` wherever a setting takes effect only at a restart.
pub(crate) fn keep_until_restart<T: Section + Clone>(old: &T, new: &mut T) {
    struct Take(VecDeque<Box<dyn Any>>);
    struct Give(VecDeque<Box<dyn Any>>);

    impl Visitor for Take {
        fn visit<T: Value>(&mut self, _: Setting<T>, field: &mut T) {
            self.0.push_back(Box::new(field.clone()));
        }
    }
    impl Visitor for Give {
        fn visit<T: Value>(&mut self, setting: Setting<T>, field: &mut T) {
            let old = self
                .0
                .pop_front()
                .and_then(|value| value.downcast::<T>().ok());
            if let (Some(old), Effect::Restart) = (old, setting.effect) {
                *field = *old;
            }
        }
    }

    let mut take = Take(VecDeque::new());
    old.clone().settings(&mut take);
    new.settings(&mut Give(take.0));
}
