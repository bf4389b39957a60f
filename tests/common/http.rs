//! Just enough of HTTP/1.1 for the proxy: whole messages, read and written.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A request or response with its whole body.
#[derive(Clone)]
pub struct Message {
    /// Request line or status line.
    pub first: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    /// Reads a message; None at the end of the connection. `bodyless`: a response to HEAD.
    pub fn read(reader: &mut BufReader<TcpStream>, bodyless: bool) -> io::Result<Option<Message>> {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        let mut message = Message {
            first: first.trim_end().to_string(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            message
                .headers
                .push((name.to_string(), value.trim().to_string()));
        }
        if message.header("expect").is_some() {
            // Answered here, because the body is wanted before the request goes on.
            reader
                .get_mut()
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            message.remove("expect");
        }
        if !bodyless {
            message.read_body(reader)?;
        }
        Ok(Some(message))
    }

    fn read_body(&mut self, reader: &mut BufReader<TcpStream>) -> io::Result<()> {
        if self.header("transfer-encoding") == Some("chunked") {
            self.body = read_chunks(reader)?;
            self.remove("transfer-encoding");
            self.set("content-length", &self.body.len().to_string());
        } else if let Some(length) = self.header("content-length") {
            let length: usize = length.parse().map_err(io::Error::other)?;
            self.body.resize(length, 0);
            reader.read_exact(&mut self.body)?;
        }
        Ok(())
    }

    pub fn write(&self, stream: &mut TcpStream) -> io::Result<()> {
        stream.write_all(self.head().as_bytes())?;
        stream.write_all(&self.body)
    }

    /// First line and headers, with the empty line that ends them.
    pub fn head(&self) -> String {
        let mut head = format!("{}\r\n", self.first);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + "\r\n"
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter();
        found
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.headers.push((name.to_string(), value.to_string()));
    }

    pub fn remove(&mut self, name: &str) {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    }

    /// Word `n` of the first line: method and target of a request, status of a response.
    pub fn word(&self, n: usize) -> &str {
        self.first.split(' ').nth(n).unwrap_or_default()
    }
}

fn read_chunks(reader: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
        let start = body.len();
        body.resize(start + size, 0);
        reader.read_exact(&mut body[start..])?;
        reader.read_line(&mut line)?;
        if size == 0 {
            return Ok(body);
        }
    }
}
