package waf

import (
	"io"
	"strconv"
	"strings"

	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"

	"github.com/palisade-mesh/palisade/filters/ascii"
)

func init() {
	plugins.RegisterBodyProcessor("urlencoded", func() plugintypes.BodyProcessor { return formBody{} })
}

// formBody reads bodies of application/x-www-form-urlencoded, and those of unknown types. The engine's own gives the fields of one
// name in place of those of the same name in another case, which is the same one to it: of q=<attack>&Q=1 it keeps either.
type formBody struct{}

// ProcessRequest implements plugintypes.BodyProcessor.
func (formBody) ProcessRequest(body io.Reader, v plugintypes.TransactionVariables, options plugintypes.BodyProcessorOptions) error {
	text, err := readAll(body)
	if err != nil {
		return err
	}
	set(v.RequestBody(), text)
	set(v.RequestBodyLength(), strconv.Itoa(len(text)))
	fields := v.ArgsPost()
	count := 0
	for field := range strings.SplitSeq(text, "&") {
		if field == "" {
			continue
		}
		if count++; options.ArgumentLimit > 0 && count > options.ArgumentLimit {
			set(v.ArgumentsLimitReached(), "1")
			break
		}
		name, value, _ := strings.Cut(field, "=")
		fields.Add(unescape(name), unescape(value))
	}
	return nil
}

// ProcessResponse implements plugintypes.BodyProcessor.
func (formBody) ProcessResponse(io.Reader, plugintypes.TransactionVariables, plugintypes.BodyProcessorOptions) error {
	return nil
}

func readAll(body io.Reader) (string, error) {
	var b strings.Builder
	_, err := io.Copy(&b, body)
	return b.String(), err
}

// set sets a variable of one value. The engine does not say in its interface that it can be.
func set(v any, value string) {
	if single, ok := v.(interface{ Set(value string) }); ok {
		single.Set(value)
	}
}

// unescape decodes a name or value of a form into memory of its own. What is no escape is left as it is, as the engine has it.
func unescape(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b.WriteByte(' ')
			continue
		case s[i] == '%' && i+2 < len(s):
			high, isHigh := ascii.Hex(s[i+1])
			low, isLow := ascii.Hex(s[i+2])
			if isHigh && isLow {
				b.WriteByte(high<<4 | low)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
