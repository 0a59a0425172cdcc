//! Groups of a domain. The machine's has one, `None`, which everybody with an account is in.
//!
//! A server that stands alone makes no others: its groups are aliases.

use super::super::ndr::{Array, Counted, Enum16, Handle};
use super::super::nt;
use super::super::rpc::{Call, Fault};
use super::objects::{CREATE_GROUP, DELETE, Domain, OpenGroup, domain};
use super::types::{GroupGeneral, GroupInfo, Members, Name, Number};

// [MS-SAMR] 2.2.1.5
const READ_INFORMATION: u32 = 0x01;
const LIST_MEMBERS: u32 = 0x10;

// [MS-SAMR] 3.1.5.5.3
pub(super) fn query_group(
    call: &mut Call<'_>,
    (handle, class): (Handle, Enum16),
) -> Result<(Option<GroupInfo>, u32), Fault> {
    let group: &OpenGroup = call.handles.find(&handle)?;
    if group.granted & READ_INFORMATION == 0 {
        return Ok((None, nt::ACCESS_DENIED));
    }
    let name = Counted::from(group.name);
    let comment = Counted::from("Ordinary users");
    let members = call.services.administration.accounts().len();
    Ok(match class.0 {
        1 => {
            let general = GroupGeneral {
                name,
                attributes: ATTRIBUTES,
                members: u32::try_from(members).unwrap_or(u32::MAX),
                comment,
            };
            (Some(GroupInfo::General(general)), nt::SUCCESS)
        }
        2 => (Some(GroupInfo::Name(Name { value: name })), nt::SUCCESS),
        3 => (
            Some(GroupInfo::Attributes(Number { value: ATTRIBUTES })),
            nt::SUCCESS,
        ),
        4 => (
            Some(GroupInfo::Comment(Name { value: comment })),
            nt::SUCCESS,
        ),
        _ => (None, nt::INVALID_INFO_CLASS),
    })
}

/// Mandatory, enabled, and so by default.
const ATTRIBUTES: u32 = 7;

// [MS-SAMR] 3.1.5.8.3
pub(super) fn members_in_group(
    call: &mut Call<'_>,
    (handle,): (Handle,),
) -> Result<(Option<Members>, u32), Fault> {
    let group: &OpenGroup = call.handles.find(&handle)?;
    if group.granted & LIST_MEMBERS == 0 {
        return Ok((None, nt::ACCESS_DENIED));
    }
    let accounts = call.services.administration.accounts();
    let ids: Vec<u32> = accounts
        .iter()
        .map(|account| server::accounts::relative_id(account))
        .collect();
    let members = Members {
        count: u32::try_from(ids.len()).unwrap_or(u32::MAX),
        attributes: Some(Array(vec![ATTRIBUTES; ids.len()])),
        ids: Some(Array(ids)),
    };
    Ok((Some(members), nt::SUCCESS))
}

/// There is no place for a further group: the account file's are aliases.
// departs [MS-SAMR] 3.1.5.4.2: groups of a domain are for domain controllers
pub(super) fn create(
    call: &mut Call<'_>,
    (handle, ..): (Handle, Counted, u32),
) -> Result<(Handle, u32, u32), Fault> {
    let may = domain(call, &handle, CREATE_GROUP)? == Some(Domain::Machine);
    let status = if may {
        nt::NOT_SUPPORTED
    } else {
        nt::ACCESS_DENIED
    };
    Ok((Handle::NULL, 0, status))
}

// [MS-SAMR] 3.1.5.7.1
pub(super) fn delete(call: &mut Call<'_>, (handle,): (Handle,)) -> Result<(Handle, u32), Fault> {
    let group: &OpenGroup = call.handles.find(&handle)?;
    // All there are have numbers below 1000.
    let status = if group.granted & DELETE == 0 {
        nt::ACCESS_DENIED
    } else {
        nt::SPECIAL_ACCOUNT
    };
    Ok((handle, status))
}
