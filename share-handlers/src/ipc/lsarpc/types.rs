//! The structures of the local security authority, as far as its procedures here speak them.

use wire::Utf16String;
use wire::dtyp::{Guid, Sid};

use super::super::enumeration::Container;
use super::super::ndr::{
    Array, Counted, Decoder, Encoder, Enum16, Malformed, Ndr, Syntax, ndr_struct, ndr_union,
};

ndr_struct! {
    /// LSAPR_OBJECT_ATTRIBUTES, of which nothing counts.
    // [MS-LSAD] 2.2.2.4
    pub(in crate::ipc) struct ObjectAttributes {
        pub length: u32,
        pub root: Option<u8>,
        pub name: Option<Utf16String>,
        pub attributes: u32,
        pub descriptor: Option<u8>,
        pub quality: Option<Quality>,
    }

    /// SECURITY_QUALITY_OF_SERVICE.
    pub(in crate::ipc) struct Quality {
        pub length: u32,
        pub level: Enum16,
        pub tracking: u8,
        pub effective_only: u8,
    }

    /// LSAPR_POLICY_AUDIT_EVENTS_INFO.
    // [MS-LSAD] 2.2.4.4
    pub(in crate::ipc) struct AuditEvents {
        pub mode: u8,
        pub options: Option<Array<u32>>,
        pub count: u32,
    }

    /// LSAPR_POLICY_ACCOUNT_DOM_INFO and LSAPR_POLICY_PRIMARY_DOM_INFO.
    // [MS-LSAD] 2.2.4.5
    // [MS-LSAD] 2.2.4.6
    pub(in crate::ipc) struct DomainFacts {
        pub name: Counted,
        pub sid: Option<Sid>,
    }

    /// POLICY_LSA_SERVER_ROLE_INFO.
    // [MS-LSAD] 2.2.4.9
    pub(in crate::ipc) struct ServerRole {
        pub role: u32,
    }

    /// LSAPR_POLICY_DNS_DOMAIN_INFO.
    // [MS-LSAD] 2.2.4.14
    pub(in crate::ipc) struct DnsDomain {
        pub name: Counted,
        pub dns_name: Counted,
        pub forest: Counted,
        pub id: Guid,
        pub sid: Option<Sid>,
    }

    /// LSAPR_TRUST_INFORMATION.
    // [MS-LSAT] 2.2.11
    pub(in crate::ipc) struct ReferencedDomain {
        pub name: Counted,
        pub sid: Option<Sid>,
    }

    /// LSAPR_REFERENCED_DOMAIN_LIST.
    // [MS-LSAT] 2.2.12
    pub(in crate::ipc) struct ReferencedDomains {
        pub domains: Container<ReferencedDomain>,
        pub room: u32,
    }

    /// LSAPR_TRANSLATED_NAME.
    // [MS-LSAT] 2.2.19
    pub(in crate::ipc) struct TranslatedName {
        pub kind: Enum16,
        pub name: Counted,
        pub domain: u32,
    }

    /// LSAPR_TRANSLATED_NAME_EX.
    // [MS-LSAT] 2.2.21
    pub(in crate::ipc) struct TranslatedNameEx {
        pub kind: Enum16,
        pub name: Counted,
        pub domain: u32,
        pub flags: u32,
    }

    /// LSA_TRANSLATED_SID.
    // [MS-LSAT] 2.2.14
    pub(in crate::ipc) struct TranslatedSid {
        pub kind: Enum16,
        pub relative: u32,
        pub domain: u32,
    }

    /// LSAPR_TRANSLATED_SID_EX.
    // [MS-LSAT] 2.2.23
    pub(in crate::ipc) struct TranslatedSidEx {
        pub kind: Enum16,
        pub relative: u32,
        pub domain: u32,
        pub flags: u32,
    }

    /// LSAPR_TRANSLATED_SID_EX2.
    // [MS-LSAT] 2.2.25
    pub(in crate::ipc) struct TranslatedSidEx2 {
        pub kind: Enum16,
        pub sid: Option<Sid>,
        pub domain: u32,
        pub flags: u32,
    }

    /// LUID.
    // [MS-DTYP] 2.3.7
    pub(in crate::ipc) struct Luid {
        pub low: u32,
        pub high: u32,
    }

    /// LSAPR_POLICY_PRIVILEGE_DEF.
    // [MS-LSAD] 2.2.8.1
    pub(in crate::ipc) struct PrivilegeDefinition {
        pub name: Counted,
        pub id: Luid,
    }

    /// LSAPR_LUID_AND_ATTRIBUTES.
    // [MS-LSAD] 2.2.5.4
    pub(in crate::ipc) struct HeldPrivilege {
        pub id: Luid,
        pub attributes: u32,
    }
}

/// LSAPR_PRIVILEGE_SET: a structure that ends with a conformant array. Of its control bits nothing follows here.
// [MS-LSAD] 2.2.5.5
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ipc) struct PrivilegeSet(pub Vec<HeldPrivilege>);

impl Ndr for PrivilegeSet {
    type InPlace = Self;

    fn alignment(syntax: Syntax) -> usize {
        Array::<HeldPrivilege>::alignment(syntax)
    }

    fn encode(&self, out: &mut Encoder) {
        out.count(self.0.len());
        out.u32(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        out.u32(0);
        self.0.iter().for_each(|held| held.encode(out));
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        const MOST: usize = 1000;
        let count = from.count()?;
        if usize::try_from(from.u32()?) != Ok(count) || count > MOST {
            return Err(Malformed);
        }
        let _control = from.u32()?;
        let held = (0..count).map(|_| HeldPrivilege::decode_whole(from));
        held.collect::<Result<_, _>>().map(Self)
    }

    fn decode_referents(value: Self, _: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(value)
    }
}

ndr_union! {
    /// LSAPR_POLICY_INFORMATION.
    // [MS-LSAD] 2.2.4.2
    pub(in crate::ipc) enum PolicyInformation(Enum16) {
        2 => AuditEvents(AuditEvents),
        3 => PrimaryDomain(DomainFacts),
        5 => AccountDomain(DomainFacts),
        6 => ServerRole(ServerRole),
        12 => DnsDomain(DnsDomain),
    }
}
