//! Statements: what controls the flow of a method (ACPI 6.5, 20.2.5.3).

use super::{Flow, Frame, Interpreter};
use crate::error::AmlError;
use crate::reader::Reader;

const IF: u16 = 0xa0;
const ELSE: u8 = 0xa1;
const WHILE: u16 = 0xa2;
const NOOP: u16 = 0xa3;
const RETURN: u16 = 0xa4;
const BREAK: u16 = 0xa5;
const CONTINUE: u16 = 0x9f;
const BREAKPOINT: u16 = 0xcc;

impl Interpreter<'_> {
    /// Evaluates the next term of a list.
    pub(super) fn statement(&mut self, code: &mut Reader, frame: &mut Frame) -> Result<Flow, AmlError> {
        let place = code.place();
        let result = self.nested(|interpreter| {
            interpreter.spend_term()?;
            match place.opcode {
                IF => interpreter.branch(code, frame),
                WHILE => interpreter.repeat(code, frame),
                RETURN => {
                    code.byte()?;
                    let value = interpreter.operand(code, frame)?;
                    Ok(Flow::Return(value))
                }
                BREAK => code.byte().map(|_| Flow::Break).map_err(AmlError::from),
                CONTINUE => code.byte().map(|_| Flow::Continue).map_err(AmlError::from),
                NOOP | BREAKPOINT => code.byte().map(|_| Flow::Next).map_err(AmlError::from),
                opcode if interpreter.defines(opcode) => {
                    interpreter.definition(opcode, code, frame).map(|()| Flow::Next)
                }
                _ => interpreter.term(code, frame).map(|_| Flow::Next),
            }
        });
        result.map_err(|error| AmlError { place: error.place.or(Some(place)), ..error })
    }

    fn branch(&mut self, code: &mut Reader, frame: &mut Frame) -> Result<Flow, AmlError> {
        code.byte()?;
        let mut body = code.package()?;
        let is_true = self.integer(&mut body, frame)? != 0;
        let otherwise = if code.skip_if(ELSE) { Some(code.package()?) } else { None };
        match (is_true, otherwise) {
            (true, _) => self.run(body, frame),
            (false, Some(body)) => self.run(body, frame),
            (false, None) => Ok(Flow::Next),
        }
    }

    fn repeat(&mut self, code: &mut Reader, frame: &mut Frame) -> Result<Flow, AmlError> {
        code.byte()?;
        let whole = code.package()?;
        loop {
            self.spend_term()?;
            let mut body = whole.clone();
            if self.integer(&mut body, frame)? == 0 {
                return Ok(Flow::Next);
            }
            match self.run(body, frame)? {
                Flow::Next | Flow::Continue => {}
                Flow::Break => return Ok(Flow::Next),
                value @ Flow::Return(_) => return Ok(value),
            }
        }
    }
}
