//! The exchange under turmoil: TCP between hosts, as its users write it. A tick is a millisecond.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use turmoil::net::{TcpListener, TcpStream};

use super::{DEADLINE_MS, DEVICES, FIRST_DEVICE, Message, OPERATIONS, think};

const PORT: u16 = 7;
/// No run takes so long; turmoil asks for a bound.
const BOUND: Duration = Duration::from_secs(600);

/// Runs the exchange and tells when it ended, in simulated milliseconds.
pub(super) fn run(seed: u64) -> u64 {
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(10))
        .simulation_duration(BOUND)
        .build();
    sim.host("remote", || async { accept(|stream| async { answer(stream).await }).await });
    sim.host("server", || async { accept(|stream| async { relay(stream).await }).await });
    for device in FIRST_DEVICE..FIRST_DEVICE + DEVICES {
        sim.client(format!("device-{device}"), use_device(seed, device));
    }
    sim.run().expect("nothing goes wrong in this exchange");
    u64::try_from(sim.elapsed().as_millis()).expect("it is less than the bound")
}

async fn accept<F>(serve: impl Fn(TcpStream) -> F) -> turmoil::Result
where
    F: Future<Output = std::io::Result<()>> + 'static,
{
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::task::spawn_local(serve(stream));
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let message = read(&mut stream).await?;
        write(&mut stream, &message.onward()).await?;
    }
}

async fn relay(mut stream: TcpStream) -> std::io::Result<()> {
    let mut remote = TcpStream::connect(("remote", PORT)).await?;
    loop {
        let request = read(&mut stream).await?;
        write(&mut remote, &request.onward()).await?;
        let reply = read(&mut remote).await?;
        write(&mut stream, &reply.onward()).await?;
    }
}

async fn use_device(seed: u64, device: usize) -> turmoil::Result {
    let mut server = TcpStream::connect(("server", PORT)).await?;
    for operation in 0..OPERATIONS {
        sleep(Duration::from_millis(think(seed, device, operation))).await;
        let call = async {
            write(&mut server, &Message::first(device, operation)).await?;
            read(&mut server).await
        };
        let reply = timeout(Duration::from_millis(DEADLINE_MS), call).await??;
        assert_eq!(reply.operation, operation);
    }
    Ok(())
}

async fn read(stream: &mut TcpStream) -> std::io::Result<Message> {
    let length = stream.read_u16().await?;
    let mut bytes = vec![0; length.into()];
    stream.read_exact(&mut bytes).await?;
    Ok(Message::decode(&bytes))
}

async fn write(stream: &mut TcpStream, message: &Message) -> std::io::Result<()> {
    let bytes = message.encode();
    let length = u16::try_from(bytes.len()).expect("messages are short");
    // One write, as one packet.
    stream.write_all(&[&length.to_be_bytes()[..], &bytes].concat()).await
}
