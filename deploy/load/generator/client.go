package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"
)

// A server closes idle connections, uvicorn after 5 s: whoever closes first loses no request.
const idleAtMost = 3 * time.Second

// Posts over connections that are kept open. net/http's client would take twice as much of the machine that it shares
// with the servers, because its connections have goroutines of their own.
type client struct {
	address *url.URL
	head    string
	timeout time.Duration
	// One for each connection that is in use.
	places chan struct{}
	mutex  sync.Mutex
	idle   []*link
}

type link struct {
	net.Conn
	answers *bufio.Reader
	text    bytes.Buffer
	freed   time.Time
}

func newClient(p *plan) (*client, error) {
	address, err := url.Parse(p.URL)
	if err != nil {
		return nil, err
	}
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"+
		"Accept: application/json\r\nContent-Length: ", address.RequestURI(), address.Host)
	timeout := time.Duration(p.Timeout * float64(time.Second))
	return &client{address: address, head: head, timeout: timeout, places: make(chan struct{}, p.Connections)}, nil
}

// Makes the request that posts a body, given in parts.
func (c *client) request(parts ...[]byte) []byte {
	length := 0
	for _, part := range parts {
		length += len(part)
	}
	made := append(make([]byte, 0, len(c.head)+16+length), c.head...)
	made = append(strconv.AppendInt(made, int64(length), 10), "\r\n\r\n"...)
	for _, part := range parts {
		made = append(made, part...)
	}
	return made
}

// Sends a request and says "ok" of a good answer. Waiting for a free connection counts as well.
func (c *client) ask(request []byte) (code, message string) {
	until := time.Now().Add(c.timeout)
	if !c.enter() {
		return lost(os.ErrDeadlineExceeded)
	}
	defer func() { <-c.places }()
	link, err := c.take(until)
	if err != nil {
		return lost(err)
	}
	response, err := link.exchange(request, until)
	if err != nil {
		link.Close()
		return lost(err)
	}
	code, message = judge(response.StatusCode, link.text.Bytes())
	if response.Close {
		link.Close()
	} else {
		c.give(link)
	}
	return code, message
}

func (c *client) enter() bool {
	select {
	case c.places <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(c.timeout)
	defer timer.Stop()
	select {
	case c.places <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

func (c *client) take(until time.Time) (*link, error) {
	if link := c.reuse(); link != nil {
		return link, nil
	}
	return c.open(until)
}

// Gives the connection that was used last, so that those that are not needed become old.
func (c *client) reuse() *link {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	last := len(c.idle) - 1
	if last < 0 {
		return nil
	}
	if link := c.idle[last]; time.Since(link.freed) < idleAtMost {
		c.idle = c.idle[:last]
		return link
	}
	// All others are older.
	for _, old := range c.idle {
		old.Close()
	}
	c.idle = nil
	return nil
}

func (c *client) give(l *link) {
	l.freed = time.Now()
	c.mutex.Lock()
	c.idle = append(c.idle, l)
	c.mutex.Unlock()
}

func (c *client) open(until time.Time) (*link, error) {
	port := c.address.Port()
	if port == "" {
		port = c.address.Scheme
	}
	dialer, address := net.Dialer{Deadline: until}, net.JoinHostPort(c.address.Hostname(), port)
	var conn net.Conn
	var err error
	if c.address.Scheme == "https" {
		conn, err = tls.DialWithDialer(&dialer, "tcp", address, nil)
	} else {
		conn, err = dialer.Dial("tcp", address)
	}
	if err != nil {
		return nil, err
	}
	return &link{Conn: conn, answers: bufio.NewReader(conn)}, nil
}

func (l *link) exchange(request []byte, until time.Time) (*http.Response, error) {
	if err := l.SetDeadline(until); err != nil {
		return nil, err
	}
	if _, err := l.Write(request); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(l.answers, nil)
	if err != nil {
		return nil, err
	}
	l.text.Reset()
	_, err = l.text.ReadFrom(response.Body)
	return response, err
}

func lost(err error) (code, message string) {
	var network net.Error
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &network) && network.Timeout() {
		return "NO_ANSWER", err.Error()
	}
	return "CONNECTION", err.Error()
}
