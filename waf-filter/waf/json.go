package waf

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/corazawaf/coraza/v3/collection"
	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	"github.com/tidwall/gjson"

	"github.com/palisade-mesh/palisade/filters/ascii"
)

func init() {
	plugins.RegisterBodyProcessor("json", func() plugintypes.BodyProcessor { return jsonBody{} })
}

// jsonBody reads JSON. The engine's own does the same by recursion, and the stack of a module is 64 kB: a request of a few hundred
// brackets, which SecRequestBodyJsonDepthLimit allows, ended the VM, and with it the service of a whole worker.
type jsonBody struct{}

// ProcessRequest implements plugintypes.BodyProcessor. What was read before an error is for rules to see, too.
func (jsonBody) ProcessRequest(body io.Reader, v plugintypes.TransactionVariables, options plugintypes.BodyProcessorOptions) error {
	return flatten(body, v, v.ArgsPost(), "json_request_body", options.RequestBodyRecursionLimit, options.ArgumentLimit)
}

// ProcessResponse implements plugintypes.BodyProcessor.
func (jsonBody) ProcessResponse(body io.Reader, v plugintypes.TransactionVariables, options plugintypes.BodyProcessorOptions) error {
	return flatten(body, v, v.ResponseArgs(), "json_response_body", options.ResponseBodyRecursionLimit, options.ArgumentLimit)
}

func flatten(body io.Reader, v plugintypes.TransactionVariables, to collection.Map, copied string, depth, limit int) error {
	text, err := readAll(body)
	if err != nil {
		return err
	}
	w := jsonWalker{text: text, path: []byte("json"), to: to, depth: depth, limit: limit, budget: max(flatFactor*len(text), flatFloor)}
	err = w.walk()
	if w.full {
		set(v.ArgumentsLimitReached(), "1")
	}
	if err != nil {
		return err
	}
	v.TX().Set(copied, []string{text}) // which is where @validateSchema looks for it
	return nil
}

// A value has the whole path to it as its name, so that names may have many times the size of the body. The numbers are Coraza's.
const (
	flatFactor = 8       // of the body's size
	flatFloor  = 4 << 10 // bytes
)

var (
	errJSON      = errors.New("invalid JSON")
	errJSONDepth = errors.New("the JSON is nested deeper than SecRequestBodyJsonDepthLimit")
	errJSONNames = errors.New("the names of the JSON's values have many times its size")
)

// jsonWalker makes values of a document, with their paths as names: json.a.0 is the first element of the member a. An array has
// its length as a value, too.
type jsonWalker struct {
	text   string
	at     int // of text
	path   []byte
	open   []jsonLevel
	to     collection.Map
	depth  int // of open
	limit  int // of values, and of lengths; 0: there is none
	budget int // of bytes

	values, lengths int
	full            bool // there are more values than limit
}

// jsonLevel is an object or array that has begun and not ended.
type jsonLevel struct {
	end   byte // that ends it
	count int  // elements of an array so far
	path  int  // length of the path to it
}

func (w *jsonWalker) walk() error {
	for {
		ended, err := w.value()
		for err == nil && ended {
			if len(w.open) == 0 {
				return w.rest()
			}
			ended, err = w.next()
		}
		if err != nil {
			return err
		}
	}
}

// value reads a value that is neither object nor array, or the beginning of one that is. Then it has ended only if it is empty.
func (w *jsonWalker) value() (ended bool, err error) {
	start := w.skipBlanks()
	switch c := w.peek(); c {
	case '{', '[':
		if len(w.open) >= w.depth {
			return false, errJSONDepth
		}
		w.at++
		w.open = append(w.open, jsonLevel{end: c + 2, path: len(w.path)}) // 2 further in ASCII are } and ]
		if w.skipBlanks(); w.peek() == c+2 {
			w.at++
			w.open = w.open[:len(w.open)-1]
			return true, nil
		}
		return false, w.name()
	case '"':
		text, err := w.string()
		if err != nil {
			return false, err
		}
		return true, w.leaf(text)
	default:
		end := start
		for end < len(w.text) && strings.IndexByte(" \t\r\n,]}", w.text[end]) < 0 {
			end++
		}
		raw := w.text[start:end]
		if raw != "null" && raw != "true" && raw != "false" && !isNumber(raw) {
			return false, errJSON
		}
		w.at = end
		if raw == "null" {
			raw = ""
		}
		return true, w.leaf(raw)
	}
}

// leaf adds a value. A document that is nothing else is like an array of one.
func (w *jsonWalker) leaf(value string) error {
	if len(w.open) > 0 {
		return w.add(value, &w.values)
	}
	w.path = append(w.path, ".0"...)
	if err := w.add(value, &w.values); err != nil {
		return err
	}
	w.path = w.path[:len(w.path)-2]
	return w.add("1", &w.lengths)
}

func (w *jsonWalker) add(value string, count *int) error {
	if w.full = w.full || w.limit > 0 && *count >= w.limit; w.full {
		return nil // the rest has to be JSON all the same
	}
	if w.budget -= len(w.path) + len(value); w.budget < 0 {
		return errJSONNames
	}
	*count++
	w.to.Add(string(w.path), value)
	return nil
}

// next reads on behind a value, to the next one or to the end of what it is in.
func (w *jsonWalker) next() (ended bool, err error) {
	w.skipBlanks()
	level := &w.open[len(w.open)-1]
	switch w.peek() {
	case ',':
		w.at++
		return false, w.name()
	case level.end:
		w.at++
		w.path = w.path[:level.path]
		count := level.count
		w.open = w.open[:len(w.open)-1]
		if count > 0 {
			return true, w.add(strconv.Itoa(count), &w.lengths)
		}
		return true, nil
	}
	return false, errJSON
}

// name makes the path to the next value: of an object it reads the member's name.
func (w *jsonWalker) name() error {
	level := &w.open[len(w.open)-1]
	w.path = append(w.path[:level.path], '.')
	if level.end == ']' {
		w.path = strconv.AppendInt(w.path, int64(level.count), 10)
		level.count++
		return nil
	}
	w.skipBlanks()
	name, err := w.string()
	if err != nil {
		return err
	}
	if w.skipBlanks(); w.peek() != ':' {
		return errJSON
	}
	w.at++
	w.path = append(w.path, name...)
	return nil
}

// string reads a string, and gives what it stands for.
func (w *jsonWalker) string() (string, error) {
	if w.peek() != '"' {
		return "", errJSON
	}
	start := w.at
	for w.at++; w.at < len(w.text); w.at++ {
		switch c := w.text[w.at]; {
		case c == '"':
			w.at++
			return gjson.Parse(w.text[start:w.at]).Str, nil
		case c < ' ':
			return "", errJSON
		case c == '\\':
			if !w.escape() {
				return "", errJSON
			}
		}
	}
	return "", errJSON
}

// escape reads on to the last byte of an escape.
func (w *jsonWalker) escape() bool {
	w.at++
	switch w.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			w.at++
			if _, ok := ascii.Hex(w.peek()); !ok {
				return false
			}
		}
		return true
	}
	return false
}

// rest is what may follow a document: nothing.
func (w *jsonWalker) rest() error {
	if w.skipBlanks() < len(w.text) {
		return errJSON
	}
	return nil
}

// peek is the byte that is read next, 0 at the end, which is in no JSON.
func (w *jsonWalker) peek() byte {
	if w.at >= len(w.text) {
		return 0
	}
	return w.text[w.at]
}

func (w *jsonWalker) skipBlanks() int {
	for w.at < len(w.text) && strings.IndexByte(" \t\r\n", w.text[w.at]) >= 0 {
		w.at++
	}
	return w.at
}

// isNumber tells whether a text is a number as RFC 8259 section 6 has it.
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	digits := func() (n int) {
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		s = s[n:]
		return n
	}
	zero := strings.HasPrefix(s, "0")
	if n := digits(); n == 0 || zero && n > 1 {
		return false
	}
	if rest, ok := strings.CutPrefix(s, "."); ok {
		if s = rest; digits() == 0 {
			return false
		}
	}
	if s != "" && s[0]|0x20 == 'e' {
		if s = s[1:]; s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if digits() == 0 {
			return false
		}
	}
	return s == ""
}
