//! What machines do that lasts longer than they: after each of these one may lose power.

/// Something that a machine does and that lasts longer than the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// A device handed a commit to its disk.
    Commit,
    /// That became durable; the device has not heard of it.
    Durable,
    /// It asked a remote.
    Call,
    /// It asked the sync server.
    Request,
    /// It answered its user.
    Answer,
    /// It gave a key to the keychain.
    NewKey,
    /// It asked for a credential.
    Credential,
    /// A worker asked the volume to write an object.
    Write,
    /// To read one.
    Get,
    /// To list some.
    List,
    /// To remove one.
    Delete,
    /// It answered a request.
    Response,
    /// A processor had a conversation worked on.
    Step,
}

impl Effect {
    /// Every effect.
    pub const ALL: &'static [Self] = &[
        Self::Commit,
        Self::Durable,
        Self::Call,
        Self::Request,
        Self::Answer,
        Self::NewKey,
        Self::Credential,
        Self::Write,
        Self::Get,
        Self::List,
        Self::Delete,
        Self::Response,
        Self::Step,
    ];

    /// Does it need a sync server?
    pub fn needs_server(self) -> bool {
        match self {
            Self::Request
            | Self::Write
            | Self::Get
            | Self::List
            | Self::Delete
            | Self::Response
            | Self::Step => true,
            Self::Commit
            | Self::Durable
            | Self::Call
            | Self::Answer
            | Self::NewKey
            | Self::Credential => false,
        }
    }

    /// Under which name a loss of power right after it is counted.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commit => "died after a commit",
            Self::Durable => "died after a commit was durable",
            Self::Call => "died after asking a remote",
            Self::Request => "died after asking the server",
            Self::Answer => "died after an answer to its user",
            Self::NewKey => "died after handing over a key",
            Self::Credential => "died after asking for a credential",
            Self::Write => "died after writing an object",
            Self::Get => "died after asking for an object",
            Self::List => "died after asking for a list",
            Self::Delete => "died after removing an object",
            Self::Response => "died after answering a request",
            Self::Step => "died after having a step begun",
        }
    }
}
