//! The section `[server]`: where to listen, what to be called, which dialects and protections to
//! offer, who may come in.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    interface::Interface,
    schema::{Reader, Section, Visitor, fixed, live},
    shares::{COMMENT, is_comment},
    value::{Choice, Value},
};

/// The section `[server]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Addresses for direct TCP.
    pub listen: Vec<SocketAddr>,
    /// Addresses for the NetBIOS session service.
    pub netbios_listen: Vec<SocketAddr>,
    /// Path of a Unix socket that speaks direct TCP's framing, for tests.
    pub unix_listen: Option<PathBuf>,
    /// Folder for what must survive a restart, such as the server's GUID.
    pub state_dir: PathBuf,
    /// The account file.
    pub accounts: PathBuf,
    /// The server's NetBIOS name; `None` takes the host's name.
    pub netbios_name: Option<String>,
    /// The domain or workgroup that the server names as its own.
    pub domain: String,
    /// What a browsing client shows beside the name.
    pub comment: String,
    /// The least dialect that is negotiated.
    pub min_dialect: Dialect,
    /// The greatest dialect that is negotiated.
    pub max_dialect: Dialect,
    /// Whether sessions of users must be signed.
    pub signing: Signing,
    /// Signing algorithms for dialect 3.1.1, the preferred first.
    pub signing_algorithms: Vec<SigningAlgorithm>,
    /// Whether sessions are encrypted.
    pub encryption: Encryption,
    /// Ciphers for dialect 3.1.1, the preferred first.
    pub ciphers: Vec<Cipher>,
    /// Whether sessions of dialect 3.0 and later may use several connections.
    pub multichannel: bool,
    /// The network interfaces that clients are told of; the machine's own if empty.
    pub interfaces: Vec<Interface>,
    /// What happens to somebody whose name is not in the account file.
    pub guest: GuestPolicy,
    /// Whether log-ons without any name are let in, for `IPC$` only.
    pub anonymous: bool,
    /// Whether NTLMv1 responses are accepted.
    pub ntlmv1: bool,
    /// How long a connection without opens may be silent.
    pub idle_timeout: Duration,
    /// How long a new connection may take until its first session stands.
    pub authentication_timeout: Duration,
    /// How long a stopping server lets requests finish.
    pub drain_timeout: Duration,
}

/// A dialect that can be negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// SMB 2.0.2.
    Smb202,
    /// SMB 2.1.
    Smb210,
    /// SMB 3.0.
    Smb300,
    /// SMB 3.0.2.
    Smb302,
    /// SMB 3.1.1.
    Smb311,
}

/// Whether messages of users' sessions must be signed. Guests cannot sign: they have no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    /// Signed if the client wants it.
    Offered,
    /// Always signed.
    Required,
}

/// An algorithm for signing in dialect 3.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// HMAC-SHA256.
    HmacSha256,
    /// AES-128-CMAC.
    Aes128Cmac,
    /// AES-128-GMAC.
    Aes128Gmac,
}

/// How much the server, or one share, asks for encryption. The stronger of the two counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encryption {
    /// Never: the capability is not announced.
    Off,
    /// If the client asks for it.
    Offered,
    /// Whenever the client can.
    Desired,
    /// Always: a client that cannot is refused.
    Required,
}

/// A cipher for encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// AES-128-CCM, the only one before dialect 3.1.1.
    Aes128Ccm,
    /// AES-128-GCM.
    Aes128Gcm,
    /// AES-256-CCM.
    Aes256Ccm,
    /// AES-256-GCM.
    Aes256Gcm,
}

/// What happens to somebody whose name is not in the account file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestPolicy {
    /// The log-on fails.
    Never,
    /// An unknown name becomes a guest; a known name with a wrong password still fails.
    BadUser,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: vec![
                (Ipv4Addr::UNSPECIFIED, 445).into(),
                (Ipv6Addr::UNSPECIFIED, 445).into(),
            ],
            netbios_listen: Vec::new(),
            unix_listen: None,
            state_dir: "/var/lib/smbd".into(),
            accounts: "/etc/smbd/accounts".into(),
            netbios_name: None,
            domain: "WORKGROUP".into(),
            comment: String::new(),
            min_dialect: Dialect::Smb202,
            max_dialect: Dialect::Smb311,
            signing: Signing::Required,
            signing_algorithms: vec![
                SigningAlgorithm::Aes128Gmac,
                SigningAlgorithm::Aes128Cmac,
                SigningAlgorithm::HmacSha256,
            ],
            encryption: Encryption::Offered,
            ciphers: vec![
                Cipher::Aes128Gcm,
                Cipher::Aes128Ccm,
                Cipher::Aes256Gcm,
                Cipher::Aes256Ccm,
            ],
            multichannel: true,
            interfaces: Vec::new(),
            guest: GuestPolicy::Never,
            anonymous: false,
            ntlmv1: false,
            idle_timeout: Duration::from_mins(15),
            authentication_timeout: Duration::from_secs(45),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

impl Section for Server {
    fn settings(&mut self, visitor: &mut impl Visitor) {
        visitor.visit(fixed("listen"), &mut self.listen);
        visitor.visit(fixed("netbios_listen"), &mut self.netbios_listen);
        visitor.visit(fixed("unix_listen"), &mut self.unix_listen);
        visitor.visit(fixed("state_dir"), &mut self.state_dir);
        visitor.visit(fixed("accounts"), &mut self.accounts);
        let name = fixed("netbios_name").only(NETBIOS_NAME, |name: &Option<String>| {
            name.as_ref().is_none_or(|name| is_netbios_name(name))
        });
        visitor.visit(name, &mut self.netbios_name);
        let domain = fixed("domain").only(DOMAIN_NAME, |name: &String| is_netbios_name(name));
        visitor.visit(domain, &mut self.domain);
        let comment = live("comment").only(COMMENT, |text: &String| is_comment(text));
        visitor.visit(comment, &mut self.comment);
        visitor.visit(live("min_dialect"), &mut self.min_dialect);
        visitor.visit(live("max_dialect"), &mut self.max_dialect);
        visitor.visit(live("signing"), &mut self.signing);
        visitor.visit(live("signing_algorithms"), &mut self.signing_algorithms);
        visitor.visit(live("encryption"), &mut self.encryption);
        visitor.visit(live("ciphers"), &mut self.ciphers);
        visitor.visit(live("multichannel"), &mut self.multichannel);
        visitor.visit(live("interfaces"), &mut self.interfaces);
        visitor.visit(live("guest"), &mut self.guest);
        visitor.visit(live("anonymous"), &mut self.anonymous);
        visitor.visit(live("ntlmv1"), &mut self.ntlmv1);
        let (second, hour) = (Duration::from_secs(1), Duration::from_hours(1));
        let idle_timeout = live("idle_timeout").within(second..=hour.saturating_mul(24));
        visitor.visit(idle_timeout, &mut self.idle_timeout);
        let authentication_timeout = live("authentication_timeout").within(second..=hour);
        visitor.visit(authentication_timeout, &mut self.authentication_timeout);
        let drain_timeout = live("drain_timeout").within(Duration::ZERO..=hour);
        visitor.visit(drain_timeout, &mut self.drain_timeout);
    }
}

impl Server {
    /// Notes what does not go together.
    pub(crate) fn check(&self, reader: &mut Reader<'_>) {
        if self.min_dialect > self.max_dialect {
            let wrong = "it is greater than max_dialect";
            reader.mistake("min_dialect", wrong, "give a dialect up to max_dialect");
        }
        if self.signing_algorithms.is_empty() {
            let right = format!("give {}", Vec::<SigningAlgorithm>::expects());
            reader.mistake("signing_algorithms", "the list is empty", &right);
        }
        if self.ciphers.is_empty() && self.encryption != Encryption::Off {
            let right = "give at least one cipher, or encryption = \"off\"";
            reader.mistake("ciphers", "the list is empty", right);
        }
        if self.encryption == Encryption::Required && self.max_dialect < Dialect::Smb300 {
            let wrong = "no dialect up to max_dialect can encrypt";
            reader.mistake("encryption", wrong, "give max_dialect = \"3.0\" or greater");
        }
        if self.encryption == Encryption::Required && self.guest != GuestPolicy::Never {
            let wrong =
                "guests have no key and cannot encrypt, which encryption = \"required\" demands";
            reader.mistake(
                "guest",
                wrong,
                "give guest = \"never\", or encryption = \"desired\"",
            );
        }
    }

    /// Every path relative to `folder`, where it is not absolute.
    pub(crate) fn resolve_paths(&mut self, folder: &Path) {
        for path in [&mut self.state_dir, &mut self.accounts]
            .into_iter()
            .chain(&mut self.unix_listen)
        {
            *path = folder.join(&path);
        }
    }

    /// Whether every address to listen on is of this machine only.
    pub fn listens_on_loopback_only(&self) -> bool {
        self.listen
            .iter()
            .chain(&self.netbios_listen)
            .all(|address| address.ip().is_loopback())
    }
}

impl Choice for Dialect {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("2.0.2", Self::Smb202),
        ("2.1", Self::Smb210),
        ("3.0", Self::Smb300),
        ("3.0.2", Self::Smb302),
        ("3.1.1", Self::Smb311),
    ];
}

impl Choice for Signing {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("offered", Self::Offered), ("required", Self::Required)];
}

impl Choice for SigningAlgorithm {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("aes-128-gmac", Self::Aes128Gmac),
        ("aes-128-cmac", Self::Aes128Cmac),
        ("hmac-sha256", Self::HmacSha256),
    ];
}

impl Choice for Encryption {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("off", Self::Off),
        ("offered", Self::Offered),
        ("desired", Self::Desired),
        ("required", Self::Required),
    ];
}

impl Choice for Cipher {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("aes-128-gcm", Self::Aes128Gcm),
        ("aes-128-ccm", Self::Aes128Ccm),
        ("aes-256-gcm", Self::Aes256Gcm),
        ("aes-256-ccm", Self::Aes256Ccm),
    ];
}

impl Choice for GuestPolicy {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("never", Self::Never), ("bad-user", Self::BadUser)];
}

/// The longest NetBIOS name in characters; the sixteenth byte tells the service.
const NETBIOS_NAME_LETTERS: usize = 15;

/// Whether a name can stand in NTLM's and NetBIOS's fields.
fn is_netbios_name(name: &str) -> bool {
    let forbidden = |letter: char| !letter.is_ascii_graphic() || "\\/:*?\"<>|.".contains(letter);
    !name.is_empty() && name.len() <= NETBIOS_NAME_LETTERS && !name.contains(forbidden)
}

const NETBIOS_NAME: &str = "a name of 1 to 15 letters, or \"\" for the host's name";
const DOMAIN_NAME: &str = "a name of 1 to 15 letters";
