//! Queries and forms, deserialized by `serde`: no crate that does it is `no_std`.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::de::value::{Error, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, EnumAccess, Error as _, IntoDeserializer, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::request::QueryPairs;

/// Deserializes `name=value&name=value`. A name that occurs several times can be a sequence.
pub(super) fn deserialize<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let mut fields: BTreeMap<Cow<'_, str>, Vec<Cow<'_, str>>> = BTreeMap::new();
    for (name, value) in QueryPairs::new(text) {
        fields.entry(name).or_default().push(value);
    }
    T::deserialize(MapDeserializer::new(fields.into_iter().map(|(name, values)| (name, Values(values)))))
}

/// The values of one name.
struct Values<'a>(Vec<Cow<'a, str>>);

impl<'a> Values<'a> {
    /// Returns the only value.
    fn single(mut self) -> Result<Cow<'a, str>, Error> {
        let value = self.0.pop().unwrap_or_default();
        if self.0.is_empty() { Ok(value) } else { Err(Error::custom("a name occurs more than once")) }
    }
}

impl<'a, 'de> IntoDeserializer<'de, Error> for Values<'a> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parse {
    ($($method:ident $visit:ident $kind:literal)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
                let value = self.single()?;
                visitor.$visit(value.parse().map_err(|_| Error::custom(format_args!("`{value}` is no {}", $kind)))?)
            }
        )*
    };
}

impl<'a, 'de> Deserializer<'de> for Values<'a> {
    type Error = Error;

    parse! {
        deserialize_bool visit_bool "boolean"
        deserialize_i8 visit_i8 "integer of 8 bits"
        deserialize_i16 visit_i16 "integer of 16 bits"
        deserialize_i32 visit_i32 "integer of 32 bits"
        deserialize_i64 visit_i64 "integer of 64 bits"
        deserialize_i128 visit_i128 "integer of 128 bits"
        deserialize_u8 visit_u8 "unsigned integer of 8 bits"
        deserialize_u16 visit_u16 "unsigned integer of 16 bits"
        deserialize_u32 visit_u32 "unsigned integer of 32 bits"
        deserialize_u64 visit_u64 "unsigned integer of 64 bits"
        deserialize_u128 visit_u128 "unsigned integer of 128 bits"
        deserialize_f32 visit_f32 "number"
        deserialize_f64 visit_f64 "number"
        deserialize_char visit_char "character"
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.single()?.into_owned())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let values = self.0.into_iter().map(|value| Values(Vec::from([value])));
        visitor.visit_seq(SeqDeserializer::new(values))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(Variant(self.single()?))
    }

    forward_to_deserialize_any! {
        str string bytes byte_buf unit unit_struct tuple_struct map struct identifier ignored_any
    }
}

/// The name of a variant without fields.
struct Variant<'a>(Cow<'a, str>);

impl<'a, 'de> EnumAccess<'de> for Variant<'a> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: serde::de::DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name: &str = &self.0;
        let value = seed.deserialize(IntoDeserializer::<Error>::into_deserializer(name))?;
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: serde::de::DeserializeSeed<'de>>(self, _seed: T) -> Result<T::Value, Error> {
        Err(Error::custom("a variant with fields cannot be in a query"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("a variant with fields cannot be in a query"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("a variant with fields cannot be in a query"))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Order {
        Up,
        Down,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Fields {
        number: i16,
        order: Option<Order>,
        exact: Option<bool>,
        #[serde(default)]
        pair: Vec<(u8,)>,
        #[serde(default)]
        texts: Vec<String>,
    }

    #[test]
    fn fields_of_all_kinds_are_parsed() {
        let fields =
            deserialize::<Fields>("number=-3&order=down&exact=true&texts=a&texts=b%26&other=x").expect("valid");
        let texts = Vec::from(["a".into(), "b&".into()]);
        let order = Some(Order::Down);
        assert_eq!(fields, Fields { number: -3, order, exact: Some(true), pair: Vec::new(), texts });
        for text in ["", "number=", "number=x", "number=40000", "number=1&number=2", "number=1&order=left"] {
            assert!(deserialize::<Fields>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "[a-z=&%+0-9]{0,40}") {
            drop(deserialize::<Fields>(&text));
            deserialize::<BTreeMap<String, Vec<String>>>(&text).expect("any names and values");
        }
    }
}
