// Sends GraphQL requests at a constant rate, whether or not those before are answered, and tells of each answer.
//
// The file named by the only argument holds a plan, a line of JSON, and then a line for each request: the number of
// its operation and its variables. When the file ends it begins anew. For each answer a line is written: the
// operation, when it was due, how late it was sent and how long after it was due the answer was there, all in
// microseconds, and "ok" or a code and a message, with tabs between.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

type operation struct {
	Name     string `json:"name"`
	Document string `json:"document"`
}

// Times are in seconds, the rate in requests a second.
type plan struct {
	URL         string      `json:"url"`
	Rate        float64     `json:"rate"`
	Requests    int         `json:"requests"`
	Connections int         `json:"connections"`
	Timeout     float64     `json:"timeout"`
	Operations  []operation `json:"operations"`
}

type record struct {
	operation      byte
	due, sent, got time.Duration
	code, message  string
}

type answer struct {
	Data   map[string]json.RawMessage `json:"data"`
	Errors []struct {
		Message    string `json:"message"`
		Extensions struct {
			Code string `json:"code"`
		} `json:"extensions"`
	} `json:"errors"`
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewReaderSize(file, 1<<20)
	head, err := lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	var given plan
	if err := json.Unmarshal(head, &given); err != nil {
		return err
	}
	records, written := make(chan record, 1<<16), make(chan struct{})
	go func() {
		write(records)
		close(written)
	}()
	err = given.send(file, int64(len(head)), lines, records)
	close(records)
	<-written
	return err
}

// Starts each request when it is due, and returns when all have ended.
func (p *plan) send(file *os.File, first int64, lines *bufio.Reader, records chan<- record) error {
	client, err := newClient(p)
	if err != nil {
		return err
	}
	prefixes := p.prefixes()
	var flying sync.WaitGroup
	defer flying.Wait()
	started := time.Now()
	for n := 0; n < p.Requests; n++ {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			if _, err := file.Seek(first, io.SeekStart); err != nil {
				return err
			}
			lines.Reset(file)
			line, err = lines.ReadBytes('\n')
		}
		if err != nil {
			return err
		}
		kind := line[0] - '0'
		request := client.request(prefixes[kind], line[2:len(line)-1], []byte("}"))
		due := time.Duration(float64(n) / p.Rate * float64(time.Second))
		time.Sleep(time.Until(started.Add(due)))
		flying.Add(1)
		go func() {
			defer flying.Done()
			sent := time.Since(started)
			code, message := client.ask(request)
			records <- record{kind, due, sent, time.Since(started), code, message}
		}()
	}
	return nil
}

// What comes before the variables, for each operation.
func (p *plan) prefixes() [][]byte {
	var all [][]byte
	for _, each := range p.Operations {
		text, _ := json.Marshal(map[string]string{"query": each.Document, "operationName": each.Name})
		all = append(all, append(bytes.TrimSuffix(text, []byte("}")), `,"variables":`...))
	}
	return all
}

// Says "ok" of an answer that has data and no errors.
func judge(status int, text []byte) (code, message string) {
	// Most answers are good, and seen to be so without taking them apart.
	if status == http.StatusOK && bytes.HasPrefix(text, []byte(`{"data":{"`)) &&
		!bytes.Contains(text, []byte("null")) && !bytes.Contains(text, []byte(`"errors"`)) && json.Valid(text) {
		return "ok", ""
	}
	var found answer
	if err := json.Unmarshal(text, &found); err != nil {
		return fmt.Sprintf("HTTP_%d", status), string(text)
	}
	if len(found.Errors) > 0 {
		first := found.Errors[0]
		if first.Extensions.Code == "" {
			return "NO_CODE", first.Message
		}
		return first.Extensions.Code, first.Message
	}
	if status != http.StatusOK {
		return fmt.Sprintf("HTTP_%d", status), string(text)
	}
	if len(found.Data) == 0 {
		return "NO_DATA", string(text)
	}
	for _, value := range found.Data {
		if string(value) == "null" {
			return "NO_DATA", string(text)
		}
	}
	return "ok", ""
}

// Writes what there is at once, and lets it go when nothing waits.
func write(records <-chan record) {
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	defer out.Flush()
	flush := time.NewTicker(100 * time.Millisecond)
	defer flush.Stop()
	for {
		select {
		case r, more := <-records:
			if !more {
				return
			}
			fmt.Fprintf(out, "%d\t%d\t%d\t%d\t%s\t%s\n", r.operation, r.due.Microseconds(),
				(r.sent - r.due).Microseconds(), (r.got - r.due).Microseconds(), r.code, plain(r.message))
		case <-flush.C:
			out.Flush()
		}
	}
}

func plain(message string) string {
	if len(message) > 300 {
		message = message[:300]
	}
	return strings.Join(strings.Fields(message), " ")
}
