//! NEGOTIATE, and SMB1's NEGOTIATE that moves up to it. [MS-SMB2] 3.3.5.3 and 3.3.5.4

use std::sync::atomic::Ordering;

use bytes::Bytes;
use wire::dtyp::{FileTime, Guid};
use wire::negotiate::{
    Capabilities, CompressionAlgorithm, CompressionCapabilities, CompressionFlags, HashAlgorithm,
    NegotiateContext, PreauthIntegrityCapabilities, SecurityMode, TransportCapabilities,
};
use wire::smb1::Smb1NegotiateRequest;
use wire::{
    Command, Dialect, Header, HeaderFlags, HeaderId, MessageId, NegotiateRequest,
    NegotiateResponse, NtStatus, ProcessId, Response, SessionId, TreeId,
};

use super::Answer;
use crate::context::{Context, HashTarget};
use crate::crypto::{Cipher, SigningAlgorithm};
use crate::disconnect::DisconnectReason;
use crate::job::Done;
use crate::persistence;
use crate::server::Settings;
use crate::session::Protections;

/// What NEGOTIATE settled for the life of a connection. [MS-SMB2] 3.3.1.7
#[derive(Debug, Clone)]
pub struct Negotiated {
    /// Dialect.
    pub dialect: Dialect,
    /// ClientGuid.
    pub client_guid: Guid,
    /// ClientCapabilities.
    pub client_capabilities: Capabilities,
    /// ClientSecurityMode.
    pub client_security_mode: SecurityMode,
    /// ClientDialects, for VALIDATE_NEGOTIATE_INFO.
    pub client_dialects: Vec<Dialect>,
    /// ServerCapabilities, without the encryption that 3.1.1 settles by context.
    pub server_capabilities: Capabilities,
    /// ServerSecurityMode.
    pub server_security_mode: SecurityMode,
    /// CipherId; none without encryption.
    pub cipher: Option<Cipher>,
    /// SigningAlgorithmId.
    pub signing_algorithm: SigningAlgorithm,
    /// SupportsMultiCredit.
    pub supports_multi_credit: bool,
    /// MaxTransactSize, in bytes.
    pub max_transact_size: u32,
    /// MaxReadSize, in bytes.
    pub max_read_size: u32,
    /// MaxWriteSize, in bytes.
    pub max_write_size: u32,
}

impl Negotiated {
    /// What protects messages, which the channels of a session must agree on.
    #[must_use]
    pub fn protections(&self) -> Protections {
        let notifications = Capabilities::NOTIFICATIONS;
        Protections {
            dialect: self.dialect,
            cipher: self.cipher,
            signing_algorithm: self.signing_algorithm,
            supports_notifications: self.server_capabilities.contains(notifications),
        }
    }

    /// Whether the dialect belongs to the 3.x family.
    #[must_use]
    pub fn is_smb3(&self) -> bool {
        self.dialect >= Dialect::SMB_3_0
    }
}

/// The dialects spoken here, the greatest first.
const DIALECTS: [Dialect; 5] = [
    Dialect::SMB_3_1_1,
    Dialect::SMB_3_0_2,
    Dialect::SMB_3_0,
    Dialect::SMB_2_1,
    Dialect::SMB_2_0_2,
];

/// The largest payload of 2.0.2 and of NetBIOS, in bytes.
const SMALL_PAYLOAD: u32 = 65_536;

/// Random bytes in the pre-authentication reply. [MS-SMB2] note 287: Windows uses 32.
const SALT_LENGTH: usize = 32;

/// Settles the connection's dialect and protections.
///
/// # Errors
/// `INVALID_PARAMETER` for no dialect or malformed contexts, `NOT_SUPPORTED` for no common
/// dialect, `SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP`. A second NEGOTIATE ends the connection.
pub fn run(
    context: &mut Context,
    request: &NegotiateRequest,
    message: &Bytes,
) -> Result<Answer, NtStatus> {
    if context.connection.negotiated().is_some() {
        context.disconnect(DisconnectReason::NegotiatedTwice);
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let server = context.server.clone();
    let settings = server.settings();
    let dialect = choose_dialect(&settings, &request.dialects)?;
    let choices = if dialect == Dialect::SMB_3_1_1 {
        choose_by_contexts(context, &settings, &request.contexts)?
    } else {
        Choices::before_311(&settings, dialect, request.capabilities)
    };
    let negotiated = settle(context, &settings, request, dialect, &choices);
    if dialect == Dialect::SMB_3_1_1 {
        // [MS-SMB2] 3.3.5.4
        context
            .connection
            .preauth
            .lock()
            .update(server.crypto, message);
        context.hash_reply_into = Some(HashTarget::Connection);
    }
    let response = response(context, &settings, &negotiated, dialect, choices.contexts);
    if !context.connection.settle(negotiated) {
        context.disconnect(DisconnectReason::NegotiatedTwice);
    }
    Ok(Response::Negotiate(response).into())
}

fn choose_dialect(settings: &Settings, offered: &[Dialect]) -> Result<Dialect, NtStatus> {
    if offered.is_empty() {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    spoken(settings)
        .find(|dialect| offered.contains(dialect))
        .ok_or(NtStatus::NOT_SUPPORTED)
}

/// The dialects that the configuration lets the server speak, the greatest first.
fn spoken(settings: &Settings) -> impl Iterator<Item = Dialect> + use<> {
    let server = &settings.configuration.server;
    let (least, greatest) = (
        wire_dialect(server.min_dialect),
        wire_dialect(server.max_dialect),
    );
    DIALECTS
        .into_iter()
        .filter(move |dialect| (least..=greatest).contains(dialect))
}

fn wire_dialect(dialect: config::Dialect) -> Dialect {
    match dialect {
        config::Dialect::Smb202 => Dialect::SMB_2_0_2,
        config::Dialect::Smb210 => Dialect::SMB_2_1,
        config::Dialect::Smb300 => Dialect::SMB_3_0,
        config::Dialect::Smb302 => Dialect::SMB_3_0_2,
        config::Dialect::Smb311 => Dialect::SMB_3_1_1,
    }
}

/// The protections chosen, and the contexts that tell the client.
#[derive(Default)]
struct Choices {
    cipher: Option<Cipher>,
    signing: Option<SigningAlgorithm>,
    contexts: Vec<NegotiateContext>,
}

impl Choices {
    /// [MS-SMB2] 3.3.5.4: 3.0 and 3.0.2 know one cipher, told by a capability.
    fn before_311(settings: &Settings, dialect: Dialect, client: Capabilities) -> Self {
        let ciphers = ciphers(settings);
        let encrypts = dialect >= Dialect::SMB_3_0
            && client.contains(Capabilities::ENCRYPTION)
            && ciphers.contains(&Cipher::Aes128Ccm);
        Self {
            cipher: encrypts.then_some(Cipher::Aes128Ccm),
            ..Self::default()
        }
    }
}

/// The ciphers on offer, the preferred first; none where encryption is off.
fn ciphers(settings: &Settings) -> Vec<Cipher> {
    let server = &settings.configuration.server;
    if server.encryption == config::Encryption::Off {
        return Vec::new();
    }
    let cipher = |cipher: &config::Cipher| match cipher {
        config::Cipher::Aes128Ccm => Cipher::Aes128Ccm,
        config::Cipher::Aes128Gcm => Cipher::Aes128Gcm,
        config::Cipher::Aes256Ccm => Cipher::Aes256Ccm,
        config::Cipher::Aes256Gcm => Cipher::Aes256Gcm,
    };
    server.ciphers.iter().map(cipher).collect()
}

fn signing_algorithms(settings: &Settings) -> impl Iterator<Item = SigningAlgorithm> + '_ {
    settings
        .configuration
        .server
        .signing_algorithms
        .iter()
        .map(|algorithm| match algorithm {
            config::SigningAlgorithm::HmacSha256 => SigningAlgorithm::HmacSha256,
            config::SigningAlgorithm::Aes128Cmac => SigningAlgorithm::AesCmac,
            config::SigningAlgorithm::Aes128Gmac => SigningAlgorithm::AesGmac,
        })
}

/// Takes from each context what is on offer here too. Each type may stand once.
// [MS-SMB2] 3.3.5.4
fn choose_by_contexts(
    context: &Context,
    settings: &Settings,
    offered: &[NegotiateContext],
) -> Result<Choices, NtStatus> {
    let mut choices = Choices::default();
    let mut seen = Vec::new();
    for offer in offered {
        let kind = offer.context_type();
        if seen.contains(&kind) && !matches!(offer, NegotiateContext::Unknown { .. }) {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        seen.push(kind);
        if let Some(choice) = choose(context, settings, offer, &mut choices)? {
            choices.contexts.push(choice);
        }
    }
    let has_preauth = choices
        .contexts
        .iter()
        .any(|choice| matches!(choice, NegotiateContext::PreauthIntegrity(_)));
    if has_preauth {
        Ok(choices)
    } else {
        Err(NtStatus::INVALID_PARAMETER)
    }
}

fn choose(
    context: &Context,
    settings: &Settings,
    offer: &NegotiateContext,
    choices: &mut Choices,
) -> Result<Option<NegotiateContext>, NtStatus> {
    Ok(match offer {
        NegotiateContext::PreauthIntegrity(offer) => Some(preauth_choice(context, offer)?),
        NegotiateContext::Encryption(offer) => {
            if offer.is_empty() {
                return Err(NtStatus::INVALID_PARAMETER);
            }
            let mine = ciphers(settings);
            let common = mine
                .into_iter()
                .find(|cipher| offer.iter().any(|id| id.0 == cipher.id()));
            choices.cipher = common;
            // A cipher of 0 says that encryption exists here, but no common cipher.
            let id = wire::negotiate::Cipher(common.map_or(0, Cipher::id));
            let is_off = settings.configuration.server.encryption == config::Encryption::Off;
            (!is_off).then(|| NegotiateContext::Encryption(vec![id]))
        }
        NegotiateContext::Signing(offer) => {
            if offer.is_empty() {
                return Err(NtStatus::INVALID_PARAMETER);
            }
            let common = signing_algorithms(settings)
                .find(|algorithm| offer.iter().any(|id| id.0 == algorithm.id()));
            let chosen = common.unwrap_or(SigningAlgorithm::AesCmac);
            choices.signing = Some(chosen);
            Some(NegotiateContext::Signing(vec![
                wire::negotiate::SigningAlgorithm(chosen.id()),
            ]))
        }
        NegotiateContext::Compression(offer) => {
            if offer.algorithms.is_empty() {
                return Err(NtStatus::INVALID_PARAMETER);
            }
            let none = vec![CompressionAlgorithm::NONE];
            let flags = CompressionFlags::NONE;
            Some(NegotiateContext::Compression(CompressionCapabilities {
                flags,
                algorithms: none,
            }))
        }
        NegotiateContext::Transport(_) => {
            Some(NegotiateContext::Transport(TransportCapabilities::NONE))
        }
        // RDMA transforms do not exist here, and the name is for the log of others.
        NegotiateContext::RdmaTransform(_)
        | NegotiateContext::NetName(_)
        | NegotiateContext::Unknown { .. } => None,
    })
}

fn preauth_choice(
    context: &Context,
    offer: &PreauthIntegrityCapabilities,
) -> Result<NegotiateContext, NtStatus> {
    if offer.hash_algorithms.is_empty() {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    if !offer.hash_algorithms.contains(&HashAlgorithm::SHA_512) {
        return Err(NtStatus::SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP);
    }
    let mut salt = vec![0; SALT_LENGTH];
    context.server.environment().fill_random(&mut salt);
    Ok(NegotiateContext::PreauthIntegrity(
        PreauthIntegrityCapabilities {
            hash_algorithms: vec![HashAlgorithm::SHA_512],
            salt: salt.into(),
        },
    ))
}

fn settle(
    context: &Context,
    settings: &Settings,
    request: &NegotiateRequest,
    dialect: Dialect,
    choices: &Choices,
) -> Negotiated {
    let limits = &settings.configuration.limits;
    let is_small = context.connection.facts.small_messages || dialect == Dialect::SMB_2_0_2;
    let size = |limit: config::Size| {
        let limit = limit.to_u32();
        if is_small {
            limit.min(SMALL_PAYLOAD)
        } else {
            limit
        }
    };
    let mut server_capabilities = capabilities(settings, dialect, request.capabilities, choices);
    if !is_small {
        server_capabilities |= Capabilities::LARGE_MTU;
    }
    if dialect >= Dialect::SMB_3_0 && has_persistent_handles(context, settings) {
        server_capabilities |= request.capabilities & Capabilities::PERSISTENT_HANDLES;
    }
    let signing_algorithm = choices.signing.unwrap_or(if dialect >= Dialect::SMB_3_0 {
        SigningAlgorithm::AesCmac
    } else {
        SigningAlgorithm::HmacSha256
    });
    Negotiated {
        dialect,
        client_guid: request.client_guid,
        client_capabilities: request.capabilities,
        client_security_mode: request.security_mode,
        client_dialects: request.dialects.clone(),
        server_capabilities,
        server_security_mode: security_mode(settings),
        cipher: choices.cipher,
        signing_algorithm,
        supports_multi_credit: !is_small,
        max_transact_size: size(limits.transact_size),
        max_read_size: size(limits.read_size),
        max_write_size: size(limits.write_size),
    }
}

/// Whether opens can be persistent on any share.
// [MS-SMB2] 3.3.5.4
fn has_persistent_handles(context: &Context, settings: &Settings) -> bool {
    let mut shares = settings.shares.iter();
    persistence::is_possible(&context.server) && shares.any(|it| it.is_continuously_available())
}

/// What the server offers besides large messages, where the dialect knows it and the client too.
// [MS-SMB2] 3.3.5.4
fn capabilities(
    settings: &Settings,
    dialect: Dialect,
    client: Capabilities,
    choices: &Choices,
) -> Capabilities {
    let mut offered = Capabilities::NONE;
    if dialect >= Dialect::SMB_2_1 {
        offered |= Capabilities::LEASING;
    }
    if dialect >= Dialect::SMB_3_0 {
        offered |= client & Capabilities::DIRECTORY_LEASING;
        if settings.configuration.server.multichannel {
            offered |= client & Capabilities::MULTI_CHANNEL;
        }
    }
    if dialect == Dialect::SMB_3_1_1 {
        offered |= client & Capabilities::NOTIFICATIONS;
    }
    if choices.cipher.is_some() && dialect < Dialect::SMB_3_1_1 {
        offered |= Capabilities::ENCRYPTION;
    }
    offered
}

/// What the server says of signing. [MS-SMB2] 3.3.5.4
#[must_use]
pub fn security_mode(settings: &Settings) -> SecurityMode {
    match settings.configuration.server.signing {
        config::Signing::Offered => SecurityMode::SIGNING_ENABLED,
        config::Signing::Required => {
            SecurityMode::SIGNING_ENABLED.with(SecurityMode::SIGNING_REQUIRED)
        }
    }
}

fn response(
    context: &Context,
    settings: &Settings,
    negotiated: &Negotiated,
    dialect_revision: Dialect,
    contexts: Vec<NegotiateContext>,
) -> NegotiateResponse {
    NegotiateResponse {
        security_mode: negotiated.server_security_mode,
        dialect_revision,
        server_guid: context.server.guid,
        capabilities: negotiated.server_capabilities,
        max_transact_size: negotiated.max_transact_size,
        max_read_size: negotiated.max_read_size,
        max_write_size: negotiated.max_write_size,
        system_time: context.server.environment().wall_clock(),
        server_start_time: FileTime::ZERO,
        security_buffer: settings.negotiate_token.clone(),
        contexts,
    }
}

/// Answers an SMB1 NEGOTIATE that offers SMB2.
///
/// # Errors
/// `OnlySmb1` when it does not.
// [MS-SMB2] 3.3.5.3.1
pub(crate) fn move_up(
    mut context: Context,
    message: &Bytes,
    granted: u16,
) -> Result<Done, DisconnectReason> {
    let offer = Smb1NegotiateRequest::decode(message).map_err(|_| DisconnectReason::OnlySmb1)?;
    let server = context.server.clone();
    let settings = server.settings();
    let speaks_202 = spoken(&settings).any(|dialect| dialect == Dialect::SMB_2_0_2);
    let speaks_more = spoken(&settings).any(|dialect| dialect != Dialect::SMB_2_0_2);
    let dialect = if offer.offers(Smb1NegotiateRequest::SMB_2_WILDCARD) && speaks_more {
        Dialect::WILDCARD
    } else if offer.offers(Smb1NegotiateRequest::SMB_2_002) && speaks_202 {
        Dialect::SMB_2_0_2
    } else {
        return Err(DisconnectReason::OnlySmb1);
    };
    let request = NegotiateRequest {
        security_mode: SecurityMode::NONE,
        capabilities: Capabilities::NONE,
        client_guid: Guid::ZERO,
        dialects: Vec::new(),
        contexts: Vec::new(),
    };
    let negotiated = settle(&context, &settings, &request, dialect, &Choices::default());
    let response = response(&context, &settings, &negotiated, dialect, Vec::new());
    if dialect == Dialect::WILDCARD {
        context.connection.wildcard.store(true, Ordering::Release);
    } else {
        context.connection.settle(negotiated);
    }
    let id = HeaderId::Sync {
        process_id: ProcessId(0),
        tree_id: TreeId(0),
    };
    let header = Header {
        credit_charge: 0,
        status: NtStatus::SUCCESS,
        command: Command::Negotiate.into(),
        credits: granted,
        flags: HeaderFlags::SERVER_TO_REDIR,
        next_command: 0,
        message_id: MessageId(0),
        id,
        session_id: SessionId(0),
        signature: [0; 16],
    };
    context.reply_alone(&header, &Response::Negotiate(response));
    Ok(Done {
        frames: context.finish_frame().into_iter().collect(),
        ..Done::default()
    })
}
