//! Establishing a NetBIOS session: one request by the client, one response by the server.

use super::name::NetbiosName;

/// The names a server answers to, besides `*SMBSERVER`.
#[derive(Clone, Debug, Default)]
pub struct CalledNames {
    /// Names without suffix; any case. An empty list answers to every name.
    pub names: Vec<String>,
}

/// A session request, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRequest {
    /// Whom the client wants.
    pub called: NetbiosName,
    /// Who the client says it is.
    pub calling: NetbiosName,
}

/// Why a session is refused: the code in the negative response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefused {
    /// The server has the called name, but for another service.
    #[error("called name is not one of a file server")]
    NotListening,
    /// The server does not have the called name.
    #[error("called name is not present")]
    NotPresent,
    /// The request cannot be read.
    #[error("session request is malformed")]
    Malformed,
}

impl SessionRequest {
    /// Reads the two names.
    ///
    /// # Errors
    /// [`SessionRefused::Malformed`].
    pub fn decode(mut payload: &[u8]) -> Result<Self, SessionRefused> {
        // [RFC1002] 4.3.2
        let mut name = || NetbiosName::take(&mut payload).ok_or(SessionRefused::Malformed);
        Ok(Self {
            called: name()?,
            calling: name()?,
        })
    }

    /// The whole packet, header included.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let names = [self.called.encode(), self.calling.encode()].concat();
        [&[0x81, 0, 0, 68], &names[..]].concat()
    }
}

impl CalledNames {
    /// Decides on a request.
    ///
    /// # Errors
    /// [`SessionRefused`], to be sent as [`SessionRefused::response`].
    pub fn admit(&self, request: &SessionRequest) -> Result<(), SessionRefused> {
        let called = &request.called;
        let known = called.is("*SMBSERVER")
            || self.names.is_empty()
            || self.names.iter().any(|name| called.is(name));
        match called.suffix() {
            _ if !known => Err(SessionRefused::NotPresent),
            WORKSTATION | FILE_SERVER => Ok(()),
            _ => Err(SessionRefused::NotListening),
        }
    }
}

/// The packet that accepts a session.
pub const POSITIVE_RESPONSE: [u8; 4] = [0x82, 0, 0, 0];
/// A keep-alive packet.
pub const KEEP_ALIVE: [u8; 4] = [0x85, 0, 0, 0];

impl SessionRefused {
    /// The packet that refuses a session.
    #[must_use]
    pub fn response(self) -> [u8; 5] {
        // [RFC1002] 4.3.4
        let code = match self {
            Self::NotListening => 0x80,
            Self::NotPresent => 0x82,
            Self::Malformed => 0x8F,
        };
        [0x83, 0, 0, 1, code]
    }
}

/// Some clients call a server by its workstation name.
const WORKSTATION: u8 = 0x00;
const FILE_SERVER: u8 = 0x20;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(called: &str, suffix: u8) -> SessionRequest {
        SessionRequest {
            called: NetbiosName::new(called, suffix),
            calling: NetbiosName::new("client", 0),
        }
    }

    #[test]
    fn decoding_undoes_encoding_and_a_cut_request_is_malformed() {
        let request = request("fileserver", 0x20);
        let packet = request.encode();
        assert_eq!(SessionRequest::decode(&packet[4..]), Ok(request));
        for end in 4..packet.len() {
            let cut = SessionRequest::decode(&packet[4..end]);
            assert_eq!(cut, Err(SessionRefused::Malformed));
        }
    }

    #[test]
    fn a_server_answers_to_its_names_and_to_smbserver_for_file_service_only() {
        let names = CalledNames {
            names: vec!["NAS".into()],
        };
        assert_eq!(names.admit(&request("nas", 0x20)), Ok(()));
        assert_eq!(names.admit(&request("nas", 0x00)), Ok(()));
        assert_eq!(names.admit(&request("*SMBSERVER", 0x20)), Ok(()));
        assert_eq!(
            names.admit(&request("nas", 0x03)),
            Err(SessionRefused::NotListening)
        );
        assert_eq!(
            names.admit(&request("other", 0x20)),
            Err(SessionRefused::NotPresent)
        );
        assert_eq!(
            CalledNames::default().admit(&request("other", 0x20)),
            Ok(())
        );
    }

    #[test]
    fn refusals_carry_their_codes() {
        assert_eq!(SessionRefused::NotPresent.response(), [0x83, 0, 0, 1, 0x82]);
        assert_eq!(
            SessionRefused::NotListening.response(),
            [0x83, 0, 0, 1, 0x80]
        );
        assert_eq!(SessionRefused::Malformed.response(), [0x83, 0, 0, 1, 0x8F]);
    }
}
