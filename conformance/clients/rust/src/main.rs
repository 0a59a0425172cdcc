//! Logs on to a server as the crate `smb` does, and carries a file both ways.
//!
//! ```text
//! rust-client DIALECT sign|encrypt HOST:PORT SHARE FOLDER USER PASSWORD
//! ```
//!
//! Writes random bytes to a new file of the folder, reads them back, and looks for it in the listing. Ends with status 0 and
//! the line `ok`, or with status 1 and what went wrong, as the crate words it.

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use smb::connection::EncryptionMode;
use smb::{
    Client, ClientConfig, ConnectionConfig, CreateOptions, Dialect, DirAccessMask, Directory, File,
    FileAccessMask, FileAttributes, FileCreateArgs, FileDirectoryInformation, ReadAt, UncPath,
    WriteAt,
};

/// More than one message of any dialect, and no multiple of a block.
const SIZE: usize = 1_000_003;

/// At most so much in one READ or WRITE.
const PIECE: usize = 65_536;

const NAME: &str = "from-rust";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [dialect, protection, address, share, folder, user, password] = words[..] else {
        eprintln!("rust-client DIALECT sign|encrypt HOST:PORT SHARE FOLDER USER PASSWORD");
        return ExitCode::from(2);
    };
    let done = config(dialect, protection, address).and_then(|(host, config)| {
        let share = UncPath::from_str(&format!(r"\\{host}\{share}"))?;
        visit(config, &share, folder, user, password)
    });
    match done {
        Ok(()) => {
            println!("ok");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The host, and what the client is to insist on.
fn config<'a>(
    dialect: &str,
    protection: &str,
    address: &'a str,
) -> Result<(&'a str, ClientConfig), Box<dyn Error>> {
    let dialect = match dialect {
        "2.0.2" => Dialect::Smb0202,
        "2.1" => Dialect::Smb021,
        "3.0" => Dialect::Smb030,
        "3.0.2" => Dialect::Smb0302,
        "3.1.1" => Dialect::Smb0311,
        other => return Err(format!("there is no dialect {other}").into()),
    };
    let encryption_mode = match protection {
        // Where the server does not ask for more. `Disabled` would offer an empty list of ciphers, which no server takes.
        "sign" => EncryptionMode::Allowed,
        "encrypt" => EncryptionMode::Required,
        other => return Err(format!("there is no protection {other}").into()),
    };
    let (host, port) = address.rsplit_once(':').ok_or("no port is given")?;
    let connection = ConnectionConfig {
        port: Some(port.parse()?),
        timeout: Some(Duration::from_secs(20)),
        min_dialect: Some(dialect),
        max_dialect: Some(dialect),
        encryption_mode,
        ..ConnectionConfig::default()
    };
    let config = ClientConfig {
        connection,
        dfs: false,
        ..ClientConfig::default()
    };
    Ok((host, config))
}

fn visit(
    config: ClientConfig,
    share: &UncPath,
    folder: &str,
    user: &str,
    password: &str,
) -> Result<(), Box<dyn Error>> {
    let client = Client::new(config);
    client.share_connect(share, user, password.to_owned())?;
    let folder = share.clone().with_path(folder);
    round_trip(&client, &folder.clone().with_add_path(NAME))?;
    if !names(&client, &folder)?.iter().any(|name| name == NAME) {
        return Err("the new file is not in the listing".into());
    }
    client.close()?;
    Ok(())
}

/// Writes a new file and reads it again, through an open of its own: the crate asks for the size only when it opens.
fn round_trip(client: &Client, path: &UncPath) -> Result<(), Box<dyn Error>> {
    let create = FileCreateArgs::make_create_new(FileAttributes::new(), CreateOptions::new());
    let data = noise();
    let file = client.create_file(path, &create)?.unwrap_file();
    for (index, piece) in data.chunks(PIECE).enumerate() {
        file.write_at(piece, (index * PIECE) as u64)?;
    }
    file.flush()?;
    file.close()?;
    let open = FileCreateArgs::make_open_existing(FileAccessMask::new().with_generic_read(true));
    let file = client.create_file(path, &open)?.unwrap_file();
    let same = contents(&file)? == data;
    file.close()?;
    same.then_some(())
        .ok_or_else(|| "other bytes came back".into())
}

fn contents(file: &File) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut data = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let length = file.read_at(&mut piece, data.len() as u64)?;
        if length == 0 {
            return Ok(data);
        }
        data.extend_from_slice(&piece[..length]);
    }
}

fn names(client: &Client, folder: &UncPath) -> Result<Vec<String>, Box<dyn Error>> {
    let access = DirAccessMask::new().with_list_directory(true);
    let open = FileCreateArgs::make_open_existing(access.into());
    let directory = client.create_file(folder, &open)?.unwrap_dir();
    let mut names = Vec::new();
    for entry in Directory::query::<FileDirectoryInformation>(&directory, "*")? {
        names.push(entry?.file_name.to_string());
    }
    directory.close()?;
    Ok(names)
}

/// Bytes without a pattern, the same each time.
fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..SIZE).map(|_| next()).collect()
}
