//! `settings`: the configuration in force, a folder for each section and share with a file for each setting.
//!
//! What may change while the server runs is changed by writing its file. The configuration file stays as it
//! is: a change lasts until the server is started, or told to read its file, again.

use std::sync::Arc;

use bytes::Bytes;
use config::{ShownSetting, Unchanged};
use parking_lot::Mutex;
use server::share::{Administration, Answer, ServerView, SettingChange};
use wire::dtyp::AccessMask;
use wire::{NtStatus, Utf16String};

use super::items::{File, Folder, Item, Listed, access, entries_of, find_in, id_of, is_called};
use crate::ready::ready;

/// The folder.
pub(super) struct Settings(Arc<Shared>);

/// What the folder is called.
pub(super) const NAME: &str = "settings";

/// What all files of the folder know.
struct Shared {
    view: Arc<dyn ServerView>,
    administration: Arc<dyn Administration>,
    /// Why a value was refused, the last time one was.
    last_error: Mutex<String>,
}

impl Settings {
    /// Shows the settings of the server that `view` shows, and changes them by `administration`.
    pub(super) fn new(view: Arc<dyn ServerView>, administration: Arc<dyn Administration>) -> Self {
        Self(Arc::new(Shared {
            view,
            administration,
            last_error: Mutex::default(),
        }))
    }

    fn items(&self) -> Vec<(String, Item)> {
        let text = |what: Text| {
            let shared = Arc::clone(&self.0);
            let file: Arc<dyn File> = Arc::new(TextFile { shared, what });
            (what.name().to_owned(), Item::File(file))
        };
        let mut items = vec![text(Text::Effective), text(Text::LastError)];
        let mut sections: Vec<String> = Vec::new();
        for setting in self.0.view.configuration().shown_settings() {
            if sections.last() != Some(&setting.section) {
                sections.push(setting.section);
            }
        }
        items.extend(sections.into_iter().map(|section| {
            let name = section.clone();
            let shared = Arc::clone(&self.0);
            let folder: Arc<dyn Folder> = Arc::new(SectionFolder { shared, section });
            (name, Item::Folder(folder))
        }));
        items
    }
}

impl Folder for Settings {
    fn id(&self) -> u64 {
        id_of(NAME)
    }

    fn entries(&self) -> Result<Vec<Listed>, NtStatus> {
        Ok(entries_of(self.items()))
    }

    fn find(&self, name: &Utf16String) -> Result<Option<(Utf16String, Item)>, NtStatus> {
        Ok(find_in(self.items(), name))
    }
}

/// A text that is no setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Text {
    /// The whole configuration as the file would say it.
    Effective,
    /// Why a value was refused.
    LastError,
}

impl Text {
    const fn name(self) -> &'static str {
        match self {
            Self::Effective => "effective.toml",
            Self::LastError => "last_error.txt",
        }
    }
}

struct TextFile {
    shared: Arc<Shared>,
    what: Text,
}

impl File for TextFile {
    fn id(&self) -> u64 {
        id_of((NAME, self.what))
    }

    fn access(&self) -> AccessMask {
        access::READ
    }

    fn contents(&self) -> Result<Bytes, NtStatus> {
        Ok(match self.what {
            Text::Effective => self.shared.view.configuration().to_shown_toml().into(),
            Text::LastError => self.shared.last_error.lock().clone().into(),
        })
    }
}

/// The settings of a section or a share.
struct SectionFolder {
    shared: Arc<Shared>,
    section: String,
}

impl SectionFolder {
    fn settings(&self) -> impl Iterator<Item = ShownSetting> {
        let all = self.shared.view.configuration().shown_settings();
        all.into_iter()
            .filter(|setting| setting.section == self.section)
    }

    fn item(&self, setting: ShownSetting) -> Item {
        let shared = Arc::clone(&self.shared);
        Item::File(Arc::new(SettingFile { shared, setting }))
    }
}

impl Folder for SectionFolder {
    fn id(&self) -> u64 {
        id_of((NAME, "section", &self.section))
    }

    fn entries(&self) -> Result<Vec<Listed>, NtStatus> {
        let listed = self.settings().map(|setting| {
            let name = setting.name;
            self.item(setting).listed(name)
        });
        Ok(listed.collect())
    }

    fn find(&self, name: &Utf16String) -> Result<Option<(Utf16String, Item)>, NtStatus> {
        let found = self
            .settings()
            .find(|setting| is_called(setting.name, name));
        Ok(found.map(|setting| (setting.name.into(), self.item(setting))))
    }
}

/// One setting.
struct SettingFile {
    shared: Arc<Shared>,
    setting: ShownSetting,
}

impl File for SettingFile {
    fn id(&self) -> u64 {
        id_of((NAME, "setting", &self.setting.section, self.setting.name))
    }

    fn access(&self) -> AccessMask {
        if self.setting.is_live {
            access::VALUE
        } else {
            access::READ
        }
    }

    /// The value now, which may be another than when the file was found.
    fn contents(&self) -> Result<Bytes, NtStatus> {
        let all = self.shared.view.configuration().shown_settings();
        let is_this = |one: &ShownSetting| {
            one.section == self.setting.section && one.name == self.setting.name
        };
        let found = all.into_iter().find(is_this);
        let found = found.ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
        Ok(format!("{}\n", found.value).into())
    }

    fn write(&self, value: Bytes) -> Answer<'static, ()> {
        match self.checked(&value) {
            Ok(change) => self.shared.administration.change_setting(change),
            Err(status) => ready(Err(status)),
        }
    }
}

impl SettingFile {
    /// The change that `value` asks for, if it is one that can be made; otherwise the reason is kept.
    fn checked(&self, value: &[u8]) -> Result<SettingChange, NtStatus> {
        let ShownSetting { section, name, .. } = &self.setting;
        let text = str::from_utf8(value).map_err(|_| NtStatus::INVALID_PARAMETER)?;
        let tried = self.shared.view.configuration();
        if let Err(refused) = tried.with_setting(section, name, text) {
            *self.shared.last_error.lock() = format!("{section}.{name}: {refused}\n");
            return Err(setting_status(&refused));
        }
        Ok(SettingChange {
            section: section.clone(),
            name: (*name).to_owned(),
            value: text.to_owned(),
        })
    }
}

/// What a client is told when a setting is not changed.
#[must_use]
pub fn setting_status(refused: &Unchanged) -> NtStatus {
    match refused {
        Unchanged::Unknown => NtStatus::OBJECT_NAME_NOT_FOUND,
        Unchanged::Fixed => NtStatus::ACCESS_DENIED,
        Unchanged::Mistaken(_) => NtStatus::INVALID_PARAMETER,
    }
}
