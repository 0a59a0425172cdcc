//! What all wrappers have in common: calls that they have no opinion on pass through.
//!
//! Owns the list of calls, so that no wrapper can forget one: a wrapper is a [`ShareLayer`] and a
//! [`HandleLayer`], whose methods all call what is behind until they are overridden, and
//! [`Layered`] turns both into a handler. Never looks into a call itself.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use server::object_store::WatchScope;
use server::share::{
    Answer, Caller, CloseHow, Controlled, Entry, Features, FileStat, Handle, ListFrom, Name,
    ObjectId, OpenHow, Opened, PrintQueue, ReplyRoom, SetInfo, ShareHandler, StreamEntry,
    Transacted, Volume, WriteAt,
};
use wire::NtStatus;
use wire::dtyp::{SecurityDescriptor, SecurityInformation};
use wire::fscc::file_info::{FullEa, PipeInformation};
use wire::fscc::{FileInfoClass, FileInformation, Fsctl, Pattern};

/// A wrapper's part of a share.
pub trait ShareLayer: Send + Sync + 'static {
    /// What is behind.
    fn inner(&self) -> &dyn ShareHandler;

    /// Has its say about a call that is not overridden: `make` makes it.
    fn around<'a, T: Send + 'a>(
        &'a self,
        _call: Call,
        make: impl FnOnce() -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        make()
    }

    /// [`ShareHandler::features`].
    fn features(&self) -> Features {
        self.inner().features()
    }

    /// [`ShareHandler::admit`].
    ///
    /// # Errors
    /// Those of what is behind.
    fn admit(&self, caller: &Caller) -> Result<(), NtStatus> {
        self.inner().admit(caller)
    }

    /// [`ShareHandler::open`], which has to put the wrapper's part of a handle around what was
    /// opened: [`wrap_opened`].
    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened>;

    /// [`ShareHandler::volume`].
    fn volume(&self) -> Answer<'_, Volume> {
        self.around(Call::Volume, || self.inner().volume())
    }

    /// [`ShareHandler::print_queue`].
    fn print_queue(&self) -> Option<Arc<dyn PrintQueue>> {
        self.inner().print_queue()
    }
}

/// A wrapper's part as a handler: of a share, or of an open.
pub struct Layered<L>(pub L);

impl<L: ShareLayer> Layered<L> {
    /// The whole share: the wrapper and what is behind it.
    #[must_use]
    pub fn share(layer: L) -> Arc<dyn ShareHandler> {
        Arc::new(Self(layer))
    }
}

impl<L: ShareLayer> ShareHandler for Layered<L> {
    fn features(&self) -> Features {
        self.0.features()
    }

    fn admit(&self, caller: &Caller) -> Result<(), NtStatus> {
        self.0.admit(caller)
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened> {
        self.0.open(caller, name, how)
    }

    fn volume(&self) -> Answer<'_, Volume> {
        self.0.volume()
    }

    fn print_queue(&self) -> Option<Arc<dyn PrintQueue>> {
        self.0.print_queue()
    }
}

impl<L> fmt::Debug for Layered<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(std::any::type_name::<L>())
            .finish_non_exhaustive()
    }
}

/// What was opened, with a wrapper's part of a handle around the handle.
#[must_use]
pub fn wrap_opened<L: HandleLayer>(
    opened: Opened,
    layer: impl FnOnce(Arc<dyn Handle>) -> L,
) -> Opened {
    Opened {
        handle: Arc::new(Layered(layer(opened.handle))),
        ..opened
    }
}

/// Defines [`Call`] and [`HandleLayer`], and makes a [`Handle`] of the latter, from one list of the
/// calls.
macro_rules! calls {
    ($($call:ident $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        /// One of the calls that answer later.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Call {
            /// [`ShareHandler::open`]
            Open,
            /// [`ShareHandler::volume`]
            Volume,
            $(#[doc = concat!("[`Handle::", stringify!($name), "`]")] $call,)*
        }

        impl Call {
            /// Its name in the handler's traits.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    Self::Open => "open",
                    Self::Volume => "volume",
                    $(Self::$call => stringify!($name),)*
                }
            }
        }

        /// A wrapper's part of an open.
        pub trait HandleLayer: Send + Sync + 'static {
            /// What is behind.
            fn inner(&self) -> &dyn Handle;

            /// Has its say about a call that is not overridden: `make` makes it. Some handlers act
            /// when they are called and not only when they are waited for, so whoever wants to be
            /// first must not call it before.
            fn around<'a, T: Send + 'a>(
                &'a self,
                _call: Call,
                make: impl FnOnce() -> Answer<'a, T> + Send + 'a,
            ) -> Answer<'a, T> {
                make()
            }

            /// [`Handle::watch`].
            ///
            /// # Errors
            /// Those of what is behind.
            fn watch(&self, scope: WatchScope) -> Result<(), NtStatus> {
                self.inner().watch(scope)
            }

            $(#[doc = concat!("[`Handle::", stringify!($name), "`].")]
            fn $name<'a>(&'a self, $($argument: $type),*) -> Answer<'a, $answer> {
                self.around(Call::$call, move || self.inner().$name($($argument),*))
            })*
        }

        impl<L: HandleLayer> Handle for Layered<L> {
            fn object(&self) -> ObjectId {
                self.0.inner().object()
            }

            fn watch(&self, scope: WatchScope) -> Result<(), NtStatus> {
                self.0.watch(scope)
            }

            $(fn $name<'a>(&'a self, $($argument: $type),*) -> Answer<'a, $answer> {
                self.0.$name($($argument),*)
            })*
        }
    };
}

calls! {
    Stat stat() -> FileStat;
    FinalStat final_stat() -> FileStat;
    Name name() -> Name;
    Read read(at: u64, room: &'a mut ReplyRoom) -> u32;
    Write write(at: WriteAt, data: Bytes) -> u32;
    Flush flush() -> ();
    List list(from: ListFrom, pattern: &'a Pattern, room_bytes: usize) -> Vec<Entry>;
    Streams streams() -> Vec<StreamEntry>;
    ExtendedAttributes extended_attributes() -> Vec<FullEa>;
    PipeInformation pipe_information(class: FileInfoClass) -> FileInformation;
    Set set(request: SetInfo) -> ();
    CheckDelete check_delete() -> ();
    Security security(parts: SecurityInformation) -> SecurityDescriptor;
    ParentSecurity parent_security() -> Option<SecurityDescriptor>;
    SetSecurity set_security(parts: SecurityInformation, descriptor: SecurityDescriptor) -> ();
    Control control(code: Fsctl, input: Bytes, room_bytes: usize) -> Controlled;
    Transact transact(input: Bytes, room_bytes: usize) -> Transacted;
    SetPipe set_pipe(information: PipeInformation) -> ();
    Close close(how: CloseHow) -> ();
}

#[cfg(test)]
mod tests {
    /// A method of the traits that has a default would otherwise be answered by that default, not
    /// by what is behind the wrapper, and nothing would say so.
    #[test]
    fn every_call_of_a_handler_is_passed_on() {
        let traits = include_str!("../../../server/src/share/handler.rs");
        let traits = traits.lines().take_while(|line| !line.starts_with("impl "));
        let declared = traits.filter_map(|line| {
            let rest = line.strip_prefix("    fn ")?;
            rest.split(['(', '<']).next()
        });
        let here = include_str!("layer.rs");
        let forgotten: Vec<_> = declared
            .filter(|name| !here.contains(&format!(" {name}(")) && *name != "open")
            .collect();
        assert!(forgotten.is_empty(), "{forgotten:?}");
    }
}
