//! A share whose deleted files go to a folder of their user, where they can be found again.
//!
//! Owns the moment: what a client deletes, and what it renames another file over, is moved instead.
//! Where to, under which name and for how long is `bin`'s. Folders, named streams and what is
//! deleted from the bin itself are deleted as ever. Overwriting a file keeps nothing: the file is
//! still there.
//!
//! A file that cannot be moved is deleted all the same, and the log says so: whoever deletes wants
//! it gone.

mod bin;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use server::Environment;
use server::access;
use server::share::{
    Answer, Caller, CloseHow, Handle, Name, OpenHow, Opened, Replace, SetInfo, ShareHandler,
};
use wire::NtStatus;
use wire::dtyp::AccessMask;

use super::layer::{HandleLayer, Layered, ShareLayer, wrap_opened};
use bin::Bin;

/// Where deleted files are kept, which of them, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecycleOptions {
    /// The folder in the share's root that has a folder for each user.
    pub folder: String,
    /// Files are kept in the folders that they were deleted from, below the user's.
    pub keep_tree: bool,
    /// How many deleted files of one name are kept, the latest ones; 0 for any number.
    pub versions: u32,
    /// How long a file is kept; none for ever. Looked at when its user deletes something.
    pub max_age: Option<Duration>,
    /// Files and folders of which nothing is kept: patterns with `*` and `?`.
    pub exclude: Vec<String>,
    /// Larger files are not kept, in bytes; none for any size.
    pub largest: Option<u64>,
}

/// A wrapper that keeps what is deleted.
pub struct Recycle(Arc<Bin>);

impl Recycle {
    /// Puts it over a share. `own` is the server itself, which makes the folder that all users'
    /// folders are in.
    #[must_use]
    pub fn over(
        inner: Arc<dyn ShareHandler>,
        options: RecycleOptions,
        own: Caller,
        environment: Arc<dyn Environment>,
    ) -> Arc<dyn ShareHandler> {
        let bin = Bin::new(inner, options, own, environment);
        Layered::share(Self(Arc::new(bin)))
    }
}

impl ShareLayer for Recycle {
    fn inner(&self) -> &dyn ShareHandler {
        self.0.share()
    }

    fn open<'a>(
        &'a self,
        caller: &'a Caller,
        name: &'a Name,
        how: &'a OpenHow,
    ) -> Answer<'a, Opened> {
        Box::pin(async move {
            let opened = self.0.share().open(caller, name, how).await?;
            let (bin, caller) = (self.0.clone(), caller.clone());
            let is_stream = opened.stream.is_some();
            Ok(wrap_opened(opened, |inner| RecycleHandle {
                inner,
                bin,
                caller,
                is_stream,
            }))
        })
    }
}

struct RecycleHandle {
    inner: Arc<dyn Handle>,
    bin: Arc<Bin>,
    caller: Caller,
    /// The open is of a named stream.
    is_stream: bool,
}

impl RecycleHandle {
    /// Moves the file of this open into the bin of who deletes it. False if it is to be deleted.
    async fn keep(&self, caller: &Caller) -> Result<bool, NtStatus> {
        let name = self.inner.name().await?.with_stream(None);
        if !self.bin.wants(&name, &self.inner.stat().await?) {
            return Ok(false);
        }
        let file = self.bin.open_to_move(caller, &name).await?;
        // The name may have become another file's.
        let kept = if file.handle.object() == self.inner.object() {
            self.bin.keep(caller, &file, &name).await.map(|()| true)
        } else {
            Ok(false)
        };
        file.handle.close(CloseHow::Keep).await?;
        kept
    }

    async fn delete(&self, caller: &Caller, how: CloseHow) -> Result<(), NtStatus> {
        match self.keep(caller).await {
            Ok(true) => self.inner.close(CloseHow::Keep).await,
            Ok(false) => self.inner.close(how).await,
            Err(status) => {
                warn_of_loss(caller, status);
                self.inner.close(how).await
            }
        }
    }

    /// Gives the file another name. What has that name goes to the bin first, and comes back if the
    /// file does not get the name after all.
    async fn take_name(&self, target: Name, request: SetInfo) -> Result<(), NtStatus> {
        let replaced = match self.keep_replaced(&target).await {
            Ok(replaced) => replaced,
            Err(status) => {
                warn_of_loss(&self.caller, status);
                None
            }
        };
        let result = self.inner.set(request).await;
        if let Some(replaced) = replaced {
            if result.is_err() {
                let replace = Replace::Never;
                let back = replaced.handle.set(SetInfo::Rename { target, replace });
                if let Err(status) = back.await {
                    tracing::warn!(target: "smb::share", %status, "a file stays in the recycle folder");
                }
            }
            replaced.handle.close(CloseHow::Keep).await?;
        }
        result
    }

    /// Moves the file that is about to lose its name into the bin, if there is one, it is wanted
    /// there, and its name may be taken from it: what must not be done is left to be refused.
    async fn keep_replaced(&self, target: &Name) -> Result<Option<Opened>, NtStatus> {
        let replaced = match self.bin.open_to_move(&self.caller, target).await {
            Ok(replaced) => replaced,
            Err(NtStatus::OBJECT_NAME_NOT_FOUND | NtStatus::OBJECT_PATH_NOT_FOUND) => {
                return Ok(None);
            }
            Err(status) => return Err(status),
        };
        let is_wanted = replaced.handle.object() != self.inner.object()
            && self.bin.wants(target, &replaced.stat)
            && may_delete(&self.caller, &replaced).await;
        if is_wanted {
            self.bin.keep(&self.caller, &replaced, target).await?;
            return Ok(Some(replaced));
        }
        replaced.handle.close(CloseHow::Keep).await?;
        Ok(None)
    }
}

impl HandleLayer for RecycleHandle {
    fn inner(&self) -> &dyn Handle {
        &*self.inner
    }

    fn set(&self, request: SetInfo) -> Answer<'_, ()> {
        match &request {
            SetInfo::Rename { target, replace } | SetInfo::Link { target, replace }
                if *replace == Replace::IfExists && target.stream().is_none() =>
            {
                Box::pin(self.take_name(target.clone(), request))
            }
            _ => self.inner.set(request),
        }
    }

    fn close(&self, how: CloseHow) -> Answer<'_, ()> {
        Box::pin(async move {
            match &how {
                CloseHow::Keep => self.inner.close(how).await,
                // The file stays.
                CloseHow::Delete(_) if self.is_stream => self.inner.close(how).await,
                CloseHow::Delete(caller) | CloseHow::DeleteFile(caller) => {
                    self.delete(&caller.clone(), how).await
                }
            }
        })
    }
}

/// Whether a caller may delete what was opened.
async fn may_delete(caller: &Caller, opened: &Opened) -> bool {
    if opened.handle.check_delete().await.is_err() {
        return false;
    }
    let Some(security) = &opened.security else {
        return true;
    };
    let parent = opened.handle.parent_security().await.ok().flatten();
    let of_parent = parent.map(|parent| access::from_parent(&caller.token, &parent));
    let own = access::maximal_access(&caller.token, security);
    own.with(of_parent.unwrap_or(AccessMask::NONE))
        .contains(AccessMask::DELETE)
}

fn warn_of_loss(caller: &Caller, status: NtStatus) {
    let user = &*caller.user;
    tracing::warn!(
        target: "smb::share",
        user,
        %status,
        "a file is not kept in the recycle folder: it cannot be moved there"
    );
}
