//! The clients that have logged on: each keeps to one dialect for as long as it has a connection.
//!
//! Owns GlobalClientTable, [MS-SMB2] 3.3.1.5. An entry counts the connections that it is there for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use wire::Dialect;
use wire::dtyp::Guid;

/// All clients, by ClientGuid.
#[derive(Debug, Default)]
pub(crate) struct ClientTable(Mutex<HashMap<Guid, Client>>);

// [MS-SMB2] 3.3.1.16
#[derive(Debug)]
struct Client {
    dialect: Dialect,
    connections: u32,
}

/// A connection's share in the entry of its client.
#[derive(Debug)]
pub(crate) struct KnownClient {
    table: Arc<ClientTable>,
    guid: Guid,
}

impl ClientTable {
    /// Counts a connection of a client; none if the client speaks another dialect on others.
    // [MS-SMB2] 3.3.5.5.3
    pub(crate) fn enter(table: &Arc<Self>, guid: Guid, dialect: Dialect) -> Option<KnownClient> {
        match table.0.lock().entry(guid) {
            Entry::Vacant(free) => {
                free.insert(Client {
                    dialect,
                    connections: 1,
                });
            }
            Entry::Occupied(known) if known.get().dialect != dialect => return None,
            Entry::Occupied(mut known) => {
                let connections = &mut known.get_mut().connections;
                *connections = connections.saturating_add(1);
            }
        }
        Some(KnownClient {
            table: table.clone(),
            guid,
        })
    }

    /// The number of clients.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

// [MS-SMB2] 3.3.7.1
impl Drop for KnownClient {
    fn drop(&mut self) {
        if let Entry::Occupied(mut known) = self.table.0.lock().entry(self.guid) {
            let connections = &mut known.get_mut().connections;
            *connections = connections.saturating_sub(1);
            if *connections == 0 {
                known.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // test [MS-SMB2] 3.3.5.5.3
    // test [MS-SMB2] 3.3.7.1
    #[test]
    fn a_client_changes_its_dialect_only_when_its_last_connection_has_gone() {
        let table = Arc::default();
        let (one, other) = (Guid([1; 16]), Guid([2; 16]));
        let enter = |guid, dialect| ClientTable::enter(&table, guid, dialect);
        let first = enter(one, Dialect::SMB_3_1_1).expect("is new");
        let second = enter(one, Dialect::SMB_3_1_1).expect("speaks the same");
        assert!(enter(one, Dialect::SMB_3_0).is_none());
        assert!(enter(other, Dialect::SMB_3_0).is_some());
        drop(first);
        assert!(enter(one, Dialect::SMB_3_0).is_none());
        drop(second);
        assert!(enter(one, Dialect::SMB_3_0).is_some());
        assert!(table.0.lock().is_empty());
    }
}
