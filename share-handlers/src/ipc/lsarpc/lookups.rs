//! Identifiers to names, and names to identifiers: one translation each, in the forms of seven procedures.

use wire::dtyp::Sid;

use super::super::directory::{Directory, Domain, Entry, Kind};
use super::super::enumeration::Container;
use super::super::ndr::{Array, Counted, Enum16, Handle, Ndr};
use super::super::nt;
use super::super::rpc::{Call, Fault};
use super::policy::{LOOKUP_NAMES, check};
use super::types::{
    ReferencedDomain, ReferencedDomains, TranslatedName, TranslatedNameEx, TranslatedSid,
    TranslatedSidEx, TranslatedSidEx2,
};

/// The identifiers that a client asks about.
type Sids = Container<Option<Sid>>;
/// What all lookups answer first.
type Domains = Option<ReferencedDomains>;

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

/// Translates identifiers; `form` makes an answer of kind, name and domain.
fn names_of<T: Ndr>(
    call: &Call<'_>,
    sids: &Sids,
    level: Enum16,
    form: fn(Enum16, Counted, u32) -> T,
) -> (Domains, Container<T>, u32, u32) {
    let none = |status| (None, Container(Vec::new()), 0, status);
    if !is_level(level) || sids.0.len() > MOST_SIDS || sids.0.iter().any(Option::is_none) {
        return none(nt::INVALID_PARAMETER);
    }
    let directory = Directory::new(call.services);
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
) -> Result<(Domains, Container<TranslatedName>, u32, u32), Fault> {
    if !check(call, &handle, LOOKUP_NAMES)? {
        return Ok((None, Container(Vec::new()), 0, nt::ACCESS_DENIED));
    }
    let form = |kind, name, domain| TranslatedName { kind, name, domain };
    Ok(names_of(call, &sids, level, form))
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
) -> Result<(Domains, Container<TranslatedNameEx>, u32, u32), Fault> {
    if !check(call, &handle, LOOKUP_NAMES)? {
        return Ok((None, Container(Vec::new()), 0, nt::ACCESS_DENIED));
    }
    Ok(names_of(call, &sids, level, name_ex))
}

type LookupSids3 = (Sids, Container<TranslatedNameEx>, Enum16, u32, u32, u32);

// [MS-LSAT] 3.1.4.9
pub(super) fn lookup_sids_3(
    call: &mut Call<'_>,
    (sids, _, level, _, _, _): LookupSids3,
) -> Result<(Domains, Container<TranslatedNameEx>, u32, u32), Fault> {
    if call.is_anonymous() {
        return Ok((None, Container(Vec::new()), 0, nt::ACCESS_DENIED));
    }
    Ok(names_of(call, &sids, level, name_ex))
}

/// Translates names; `form` makes an answer of what was found and the index of its domain.
fn sids_of<T: Ndr>(
    call: &Call<'_>,
    names: &Array<Counted>,
    level: Enum16,
    form: fn(Option<&Entry>, u32) -> T,
) -> (Domains, Container<T>, u32, u32) {
    if !is_level(level) || names.0.len() > MOST_NAMES {
        return (None, Container(Vec::new()), 0, nt::INVALID_PARAMETER);
    }
    let directory = Directory::new(call.services);
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
) -> Result<(Domains, Container<TranslatedSid>, u32, u32), Fault> {
    if !check(call, &handle, LOOKUP_NAMES)? {
        return Ok((None, Container(Vec::new()), 0, nt::ACCESS_DENIED));
    }
    let form = |entry: Option<&Entry>, domain| TranslatedSid {
        kind: kind_of(entry),
        relative: relative(entry),
        domain,
    };
    Ok(sids_of(call, &names, level, form))
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
) -> Result<(Domains, Container<TranslatedSidEx>, u32, u32), Fault> {
    if !check(call, &handle, LOOKUP_NAMES)? {
        return Ok((None, Container(Vec::new()), 0, nt::ACCESS_DENIED));
    }
    Ok(sids_of(call, &names, level, sid_ex))
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
) -> Result<(Domains, Container<TranslatedSidEx2>, u32, u32), Fault> {
    if !check(call, &handle, LOOKUP_NAMES)? {
        return Ok((None, Container(Vec::new()), 0, nt::ACCESS_DENIED));
    }
    Ok(sids_of(call, &names, level, sid_ex_2))
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
) -> Result<(Domains, Container<TranslatedSidEx2>, u32, u32), Fault> {
    if call.is_anonymous() {
        return Ok((None, Container(Vec::new()), 0, nt::ACCESS_DENIED));
    }
    Ok(sids_of(call, &names, level, sid_ex_2))
}

/// The index of no domain.
const NOWHERE: u32 = u32::MAX;
/// [MS-LSAT] 2.2.18
const MOST_SIDS: usize = 20_480;
/// [MS-LSAT] 3.1.4.8
const MOST_NAMES: usize = 1000;
