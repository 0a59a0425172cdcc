//! Identifiers to names, and names to identifiers: one translation each, in the forms of seven procedures.

use wire::dtyp::Sid;

use super::super::changes::at_once;
use super::super::directory::{Directory, Domain, Entry, Kind};
use super::super::enumeration::Container;
use super::super::ndr::{Array, Counted, Enum16, Handle, Ndr};
use super::super::nt;
use super::super::rpc::{Call, Fault, Later};
use super::policy::{LOOKUP_NAMES, check};
use super::types::{
    ReferencedDomain, ReferencedDomains, TranslatedName, TranslatedNameEx, TranslatedSid,
    TranslatedSidEx, TranslatedSidEx2,
};
use crate::offload::elsewhere;

/// The identifiers that a client asks about.
type Sids = Container<Option<Sid>>;
/// What all lookups answer first.
type Domains = Option<ReferencedDomains>;
/// What all lookups answer: domains, what was asked for, how much of it was found, and the status.
type Translated<T> = (Domains, Container<T>, u32, u32);

/// The domains that answers refer to, each once.
#[derive(Default)]
struct Referenced(Vec<Domain>);

impl Referenced {
    /// The index of a domain, which is added if it is new.
    fn index(&mut self, domain: &Domain) -> u32 {
        let found = self.0.iter().position(|other| other == domain);
        let index = found.unwrap_or_else(|| {
            self.0.push(domain.clone());
            self.0.len() - 1
        });
        u32::try_from(index).unwrap_or(NOWHERE)
    }

    fn list(self) -> Domains {
        let domains = self.0.into_iter().map(|domain| ReferencedDomain {
            name: Counted::from(&domain.name),
            sid: Some(domain.sid),
        });
        Some(ReferencedDomains {
            domains: domains.collect(),
            // What Windows says that there is room for.
            room: 32,
        })
    }
}

/// The status of a lookup of which this many were found.
// [MS-LSAT] 3.1.4.9
fn status(found: u32, asked: usize) -> u32 {
    match usize::try_from(found) {
        Ok(found) if found == asked => nt::SUCCESS,
        Ok(0) => nt::NONE_MAPPED,
        _ => nt::SOME_NOT_MAPPED,
    }
}

/// Whether a level is one that a machine answers.
// [MS-LSAT] 2.2.16
fn is_level(level: Enum16) -> bool {
    (1..=7).contains(&level.0)
}

/// A lookup that fails as a whole.
fn refused<T: Send + 'static>(status: u32) -> Later<Translated<T>> {
    at_once((None, Container(Vec::new()), 0, status))
}

/// Whether a lookup is done where it is asked for, or where it holds nobody up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    NoTime,
    Long,
}

fn looked_up<T: Send + 'static>(
    call: &Call<'_>,
    takes: Takes,
    work: impl FnOnce(&Directory) -> Translated<T> + Send + 'static,
) -> Later<Translated<T>> {
    let directory = Directory::new(call.services);
    if takes == Takes::NoTime {
        return at_once(work(&directory));
    }
    let done = elsewhere(&*call.services.pool, move || Ok(work(&directory)));
    Box::pin(async move {
        let failed = |status| (None, Container(Vec::new()), 0, nt::of(Err(status)));
        done.await.unwrap_or_else(failed)
    })
}

/// Translates identifiers; `form` makes an answer of kind, name and domain.
fn names_of<T: Ndr + Send + 'static>(
    call: &Call<'_>,
    sids: Sids,
    level: Enum16,
    form: fn(Enum16, Counted, u32) -> T,
) -> Later<Translated<T>> {
    if !is_level(level) || sids.0.len() > MOST_SIDS || sids.0.iter().any(Option::is_none) {
        return refused(nt::INVALID_PARAMETER);
    }
    // Names of the host's users may come over the network, one by one.
    let is_hosts = |sid: &Sid| sid.as_unix_user().or(sid.as_unix_group()).is_some();
    let takes = if sids.0.len() > FEW || sids.0.iter().flatten().any(is_hosts) {
        Takes::Long
    } else {
        Takes::NoTime
    };
    looked_up(call, takes, move |directory| {
        find_names(directory, &sids, form)
    })
}

fn find_names<T: Ndr>(
    directory: &Directory,
    sids: &Sids,
    form: fn(Enum16, Counted, u32) -> T,
) -> Translated<T> {
    let mut referenced = Referenced::default();
    let mut found = 0;
    let names = sids
        .0
        .iter()
        .flatten()
        .map(|sid| match directory.find_sid(sid) {
            Some(Entry {
                name, domain, kind, ..
            }) => {
                found += 1;
                form(
                    number(kind),
                    Counted::from(&name),
                    referenced.index(&domain),
                )
            }
            None => match directory.domain_of(sid) {
                // Somebody in a domain that is known, but gone.
                Some(domain) => {
                    let relative = sid.sub_authorities().last().copied().unwrap_or_default();
                    let name = Counted::from(&format!("{relative:08X}"));
                    form(number(Kind::Unknown), name, referenced.index(&domain))
                }
                None => form(
                    number(Kind::Unknown),
                    Counted::from(&sid.to_string()),
                    NOWHERE,
                ),
            },
        });
    let names: Container<T> = names.collect();
    let status = status(found, names.0.len());
    (referenced.list(), names, found, status)
}

fn number(kind: Kind) -> Enum16 {
    Enum16(u16::try_from(kind.number()).unwrap_or_default())
}

fn name_ex(kind: Enum16, name: Counted, domain: u32) -> TranslatedNameEx {
    TranslatedNameEx {
        kind,
        name,
        domain,
        flags: 0,
    }
}

type LookupSids = (Handle, Sids, Container<TranslatedName>, Enum16, u32);

// [MS-LSAT] 3.1.4.11
pub(super) fn lookup_sids(
    call: &mut Call<'_>,
    (handle, sids, _, level, _): LookupSids,
) -> Result<Later<Translated<TranslatedName>>, Fault> {
    if !check(call, &handle, LOOKUP_NAMES)? {
        return Ok(refused(nt::ACCESS_DENIED));
    }
    let form = |kind, name, domain| TranslatedName { kind, name, domain };
    Ok(names_of(call, sids, level, form))
}

type LookupSids2 = (
    Handle,
    Sids,
    Container<TranslatedNameEx>,
    Enum16,
    u32,
    u32,
    u32,
);

// [MS-LSAT] 3.1.4.10
pub(super) fn lookup_sids_2(
    call: &mut Call<'_>,
    (handle, sids, _, level, _, _, _): LookupSids2,
) -> Result<Later<Translated<TranslatedNameEx>>, Fault> {
    if !check(call, &handle, LOOKUP_NAMES)? {
        return Ok(refused(nt::ACCESS_DENIED));
    }
    Ok(names_of(call, sids, level, name_ex))
}

type LookupSids3 = (Sids, Container<TranslatedNameEx>, Enum16, u32, u32, u32);

// [MS-LSAT] 3.1.4.9
pub(super) fn lookup_sids_3(
    call: &mut Call<'_>,
    (sids, _, level, _, _, _): LookupSids3,
) -> Result<Later<Translated<TranslatedNameEx>>, Fault> {
    if call.is_anonymous() {
        return Ok(refused(nt::ACCESS_DENIED));
    }
    Ok(names_of(call, sids, level, name_ex))
}

/// Translates names; `form` makes an answer of what was found and the index of its domain.
fn sids_of<T: Ndr + Send + 'static>(
    call: &Call<'_>,
    names: Array<Counted>,
    level: Enum16,
    form: fn(Option<&Entry>, u32) -> T,
) -> Later<Translated<T>> {
    if !is_level(level) || names.0.len() > MOST_NAMES {
        return refused(nt::INVALID_PARAMETER);
    }
    let takes = if names.0.len() > FEW {
        Takes::Long
    } else {
        Takes::NoTime
    };
    looked_up(call, takes, move |directory| {
        find_sids(directory, &names, form)
    })
}

fn find_sids<T: Ndr>(
    directory: &Directory,
    names: &Array<Counted>,
    form: fn(Option<&Entry>, u32) -> T,
) -> Translated<T> {
    let mut referenced = Referenced::default();
    let mut found = 0;
    let sids = names.0.iter().map(
        |name| match directory.find_name(&name.0.to_string_lossy()) {
            Some(entry) => {
                found += 1;
                let domain = referenced.index(&entry.domain);
                form(Some(&entry), domain)
            }
            None => form(None, NOWHERE),
        },
    );
    let sids: Container<T> = sids.collect();
    let status = status(found, sids.0.len());
    (referenced.list(), sids, found, status)
}

fn kind_of(entry: Option<&Entry>) -> Enum16 {
    number(entry.map_or(Kind::Unknown, |entry| entry.kind))
}

/// The last part of an identifier, which a domain has not.
fn relative(entry: Option<&Entry>) -> u32 {
    match entry {
        Some(entry) if entry.kind != Kind::Domain => entry
            .sid
            .sub_authorities()
            .last()
            .copied()
            .unwrap_or_default(),
        Some(_) => NOWHERE,
        None => 0,
    }
}

fn sid_ex(entry: Option<&Entry>, domain: u32) -> TranslatedSidEx {
    TranslatedSidEx {
        kind: kind_of(entry),
        relative: relative(entry),
        domain,
        flags: 0,
    }
}

fn sid_ex_2(entry: Option<&Entry>, domain: u32) -> TranslatedSidEx2 {
    TranslatedSidEx2 {
        kind: kind_of(entry),
        sid: entry.map(|entry| entry.sid),
        domain,
        flags: 0,
    }
}

type LookupNames = (
    Handle,
    u32,
    Array<Counted>,
    Container<TranslatedSid>,
    Enum16,
    u32,
);

// [MS-LSAT] 3.1.4.8
pub(super) fn lookup_names(
    call: &mut Call<'_>,
    (handle, _, names, _, level, _): LookupNames,
) -> Result<Later<Translated<TranslatedSid>>, Fault> {
    if !check(call, &handle, LOOKUP_NAMES)? {
        return Ok(refused(nt::ACCESS_DENIED));
    }
    let form = |entry: Option<&Entry>, domain| TranslatedSid {
        kind: kind_of(entry),
        relative: relative(entry),
        domain,
    };
    Ok(sids_of(call, names, level, form))
}

type LookupNames2 = (
    Handle,
    u32,
    Array<Counted>,
    Container<TranslatedSidEx>,
    Enum16,
    u32,
    u32,
    u32,
);

// [MS-LSAT] 3.1.4.7
pub(super) fn lookup_names_2(
    call: &mut Call<'_>,
    (handle, _, names, _, level, _, _, _): LookupNames2,
) -> Result<Later<Translated<TranslatedSidEx>>, Fault> {
    if !check(call, &handle, LOOKUP_NAMES)? {
        return Ok(refused(nt::ACCESS_DENIED));
    }
    Ok(sids_of(call, names, level, sid_ex))
}

type LookupNames3 = (
    Handle,
    u32,
    Array<Counted>,
    Container<TranslatedSidEx2>,
    Enum16,
    u32,
    u32,
    u32,
);

// [MS-LSAT] 3.1.4.6
pub(super) fn lookup_names_3(
    call: &mut Call<'_>,
    (handle, _, names, _, level, _, _, _): LookupNames3,
) -> Result<Later<Translated<TranslatedSidEx2>>, Fault> {
    if !check(call, &handle, LOOKUP_NAMES)? {
        return Ok(refused(nt::ACCESS_DENIED));
    }
    Ok(sids_of(call, names, level, sid_ex_2))
}

type LookupNames4 = (
    u32,
    Array<Counted>,
    Container<TranslatedSidEx2>,
    Enum16,
    u32,
    u32,
    u32,
);

// [MS-LSAT] 3.1.4.5
pub(super) fn lookup_names_4(
    call: &mut Call<'_>,
    (_, names, _, level, _, _, _): LookupNames4,
) -> Result<Later<Translated<TranslatedSidEx2>>, Fault> {
    if call.is_anonymous() {
        return Ok(refused(nt::ACCESS_DENIED));
    }
    Ok(sids_of(call, names, level, sid_ex_2))
}

/// A list of so many accounts is looked through in no time.
const FEW: usize = 100;
/// The index of no domain.
const NOWHERE: u32 = u32::MAX;
/// [MS-LSAT] 2.2.18
const MOST_SIDS: usize = 20_480;
/// [MS-LSAT] 3.1.4.8
const MOST_NAMES: usize = 1000;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::super::testing::{Client, Desk};
    use super::super::LSARPC;
    use super::*;
    use crate::offload::Offload;

    /// Counts what it is given to do.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Offload for Counting {
        fn run(&self, work: Box<dyn FnOnce() + Send>) {
            self.0.fetch_add(1, Ordering::Relaxed);
            work();
        }
    }

    // test [MS-LSAT] 3.1.4.9
    #[test]
    fn what_the_host_is_asked_for_and_long_lists_hold_nobody_up() {
        let pool = Arc::new(Counting::default());
        let client = Client::new(Arc::new(Desk::default()), &LSARPC, &[Sid::USERS]);
        let mut client = client.working_on(pool.clone());
        let mut names = |sids: Vec<Sid>| {
            let sids: Sids = sids.into_iter().map(Some).collect();
            let none = Container::<TranslatedNameEx>(Vec::new());
            let asked = (sids, none, Enum16(1), 0_u32, 0_u32, 0_u32);
            let told: Translated<TranslatedNameEx> = client.call(76, &asked).unwrap();
            (told.1.0.len(), told.3, pool.0.swap(0, Ordering::Relaxed))
        };
        assert_eq!(names(vec![Sid::ADMINISTRATORS]), (1, nt::SUCCESS, 0));
        let user = vec![Sid::USERS, Sid::unix_user(7)];
        assert_eq!(names(user), (2, nt::SOME_NOT_MAPPED, 1));
        let group = vec![Sid::unix_group(7)];
        assert_eq!(names(group), (1, nt::NONE_MAPPED, 1));
        let many = vec![Sid::ADMINISTRATORS; FEW + 1];
        assert_eq!(names(many), (FEW + 1, nt::SUCCESS, 1));
    }
}
