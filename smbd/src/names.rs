//! What the server is called.

use auth::ServerNames;

/// The names for log-ons and lists, from the configuration and the host's name.
pub(crate) fn server_names(server: &config::Server, host: &str) -> ServerNames {
    let netbios = server
        .netbios_name
        .clone()
        .unwrap_or_else(|| netbios_name(host));
    let netbios = netbios.to_ascii_uppercase();
    let dns = host.to_ascii_lowercase();
    ServerNames {
        netbios_domain: server.domain.to_ascii_uppercase(),
        ..ServerNames::standalone(&netbios, &dns)
    }
}

/// The host's own name.
pub(crate) fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// The first label of the host's name, as far as a NetBIOS name can hold it.
fn netbios_name(host: &str) -> String {
    let label = host.split('.').next().unwrap_or_default();
    let fits = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-';
    let name: String = label.chars().filter(fits).take(NETBIOS_LETTERS).collect();
    if name.is_empty() { "SMBD".into() } else { name }
}

/// The longest NetBIOS name.
const NETBIOS_LETTERS: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_netbios_name_is_the_hosts_first_label_unless_it_is_configured() {
        let mut server = config::Server::default();
        let names = server_names(&server, "Nas.example.org");
        assert_eq!(names.netbios_computer, "NAS");
        assert_eq!(names.netbios_domain, "WORKGROUP");
        assert_eq!(names.dns_computer, "nas.example.org");
        server.netbios_name = Some("files".into());
        assert_eq!(server_names(&server, "nas").netbios_computer, "FILES");
    }

    #[test]
    fn a_host_name_of_any_kind_yields_a_name() {
        assert_eq!(netbios_name("a-very-long-host-name"), "a-very-long-hos");
        assert_eq!(netbios_name("under_score"), "underscore");
        assert_eq!(netbios_name(""), "SMBD");
    }
}
