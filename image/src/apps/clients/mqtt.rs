//! An MQTT client by `rust-mqtt`: subscribes to a topic, publishes a message to it, and prints what arrives.
//!
//! `-- 10.0.2.2:1883 lamps/1 on` ends when its own message has arrived.

use alloc::format;
use alloc::string::String;
use core::fmt::Debug;

use embassy_time::{Duration, with_timeout};
use rust_mqtt::buffer::AllocBuffer;
use rust_mqtt::client::Client;
use rust_mqtt::client::event::Event;
use rust_mqtt::client::options::{
    ConnectOptions, DisconnectOptions, PublicationOptions, SubscriptionOptions, TopicReference,
};
use rust_mqtt::types::{MqttString, TopicFilter, TopicName};
use switchboard_net::TcpStream;
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

use super::{Failure, dial, first_stack};

const USAGE: &str = "a server, a topic and a message, as in `-- 10.0.2.2:1883 lamps/1 on`";
const TIMEOUT: Duration = Duration::from_secs(20);

/// With one subscription under way, four messages in each direction, and no properties or aliases.
type Mqtt<'a> = Client<'a, 'a, TcpStream, AllocBuffer, 1, 4, 4, 0, 0, 0, 0>;

pub(in crate::apps) async fn run(mut system: System) -> Outcome {
    let mut words = system.arguments.splitn(3, ' ');
    let (Some(server), Some(topic), Some(message)) = (words.next(), words.next(), words.next()) else {
        return Err(Failure::Usage(USAGE).into());
    };
    let (_network, stack) = first_stack(&mut system).await?;
    let stream = dial(&stack, server, USAGE).await?;
    match with_timeout(TIMEOUT, exchange(stream, topic, message)).await {
        Ok(Ok(received)) => say!("mqtt {topic}: {received}"),
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => return Err(Failure::Protocol("the message has not arrived in time".into()).into()),
    }
    Ok(())
}

fn protocol(error: impl Debug) -> Failure {
    Failure::Protocol(format!("mqtt: {error:?}"))
}

/// Publishes a message, at least once, and returns what arrives by the subscription.
async fn exchange(stream: TcpStream, topic: &str, message: &str) -> Result<String, Failure> {
    let mut buffer = AllocBuffer;
    let mut client = Mqtt::new(&mut buffer);
    client.connect(stream, &ConnectOptions::new().clean_start(), None).await.map_err(protocol)?;
    let topic = MqttString::from_str(topic).map_err(protocol)?;
    let filter = TopicFilter::new(topic.as_borrowed()).ok_or(Failure::Usage(USAGE))?;
    client.subscribe(filter, &SubscriptionOptions::new().at_least_once()).await.map_err(protocol)?;
    let name = TopicName::new(topic.as_borrowed()).ok_or(Failure::Usage(USAGE))?;
    let publication = PublicationOptions::new(TopicReference::Name(name)).at_least_once();
    let (mut is_acknowledged, mut received) = (false, None);
    client.publish(&publication, message.into()).await.map_err(protocol)?;
    loop {
        match client.poll().await.map_err(protocol)? {
            Event::Publish(publish) => {
                received = Some(String::from_utf8_lossy(publish.message.as_bytes()).into_owned());
            }
            Event::PublishAcknowledged(_) => is_acknowledged = true,
            _ => {}
        }
        if is_acknowledged && let Some(received) = received.take() {
            client.disconnect(&DisconnectOptions::new()).await.map_err(protocol)?;
            return Ok(received);
        }
    }
}
