package waf

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
)

func init() {
	plugins.RegisterBodyProcessor("xml", func() plugintypes.BodyProcessor { return xmlBody{} })
}

// xmlBody reads XML: the values of attributes are XML://@*, texts are XML:/*. So are attributes but names of namespaces: the Core
// Rule Set looks at texts only, whatever the engine. The engine's own processor
//
//   - cuts a text at comments, CDATA sections and processing instructions, which no application does: <!---->'s on both sides of
//     each word hide any attack;
//   - ignores document type declarations, whose entities an application puts in place, files of its machine among them;
//   - has no limit: of the smallest elements, a body has ten thousands, each of which all rules look at.
type xmlBody struct{}

var (
	errDeclarations = errors.New("the XML has a document type with declarations: what its entities stand for is not inspected")
	errEncoding     = errors.New("the XML is in another encoding than UTF-8")
	errTooManyTexts = errors.New("the XML has more texts and attributes than SecArgumentsLimit")
)

// ProcessRequest implements plugintypes.BodyProcessor. What was read before an error is for rules to see, too.
func (xmlBody) ProcessRequest(body io.Reader, v plugintypes.TransactionVariables, options plugintypes.BodyProcessorOptions) error {
	r := xmlReader{limit: options.ArgumentLimit}
	err := r.read(body)
	v.RequestXML().Set("//@*", r.attributes)
	v.RequestXML().Set("/*", append(r.texts, r.more...))
	if errors.Is(err, errTooManyTexts) {
		set(v.ArgumentsLimitReached(), "1")
	}
	return err
}

// ProcessResponse implements plugintypes.BodyProcessor. As the engine's, it does not read XML of answers.
func (xmlBody) ProcessResponse(io.Reader, plugintypes.TransactionVariables, plugintypes.BodyProcessorOptions) error {
	return nil
}

// xmlReader reads leniently, as some applications do.
type xmlReader struct {
	limit      int // of attributes and texts; 0: there is none
	attributes []string
	texts      []string
	more       []string // attributes as texts, and texts of elements around others: at most half as many again

	run  []byte // text since the last tag
	open []element
}

// element is one that has begun and not ended.
type element struct {
	text []byte // its own, without that of elements in it
	runs int    // that text is of
}

func (r *xmlReader) read(body io.Reader) error {
	d := xml.NewDecoder(body)
	d.Strict = false
	d.AutoClose = xml.HTMLAutoClose
	d.Entity = xml.HTMLEntity
	for {
		token, err := d.Token()
		if err != nil {
			r.endText()
			for len(r.open) > 0 {
				r.endElement()
			}
			if errors.Is(err, io.EOF) || isCutXML(err) {
				return nil
			}
			return err
		}
		if err := r.token(token); err != nil {
			return err
		}
		if r.limit > 0 && len(r.attributes)+len(r.texts) > r.limit {
			return errTooManyTexts
		}
	}
}

func (r *xmlReader) token(token xml.Token) error {
	switch t := token.(type) {
	case xml.StartElement:
		r.endText()
		for _, a := range t.Attr {
			r.attributes = append(r.attributes, a.Value)
			if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
				r.more = append(r.more, a.Value)
			}
		}
		r.open = append(r.open, element{})
	case xml.EndElement:
		r.endText()
		r.endElement()
	case xml.CharData:
		r.run = append(r.run, t...)
	case xml.ProcInst:
		if t.Target == "xml" && !isUTF8(string(t.Inst)) {
			return errEncoding
		}
	case xml.Directive:
		// An internal subset is all that is in brackets; the names of an external one may have them, in quotes, and lose nothing.
		if strings.IndexByte(string(t), '[') >= 0 {
			return errDeclarations
		}
	}
	return nil
}

// endText ends a text at a tag.
func (r *xmlReader) endText() {
	text := r.run
	r.run = r.run[:0]
	trimmed := string(bytes.TrimSpace(text))
	if trimmed == "" {
		return
	}
	r.texts = append(r.texts, trimmed)
	if n := len(r.open); n > 0 {
		e := &r.open[n-1]
		e.text = append(e.text, text...)
		e.runs++
	}
}

// endElement ends an element. If there are elements within its text, an application may put together what is around them.
func (r *xmlReader) endElement() {
	n := len(r.open)
	if n == 0 {
		return
	}
	if e := &r.open[n-1]; e.runs > 1 {
		r.more = append(r.more, string(bytes.TrimSpace(e.text)))
	}
	r.open = r.open[:n-1]
}

// isUTF8 tells whether an XML declaration has no encoding that reads ASCII, or what is beyond it, in another way. Blanks may be
// around its = (XML section 2.8), where Go finds no encoding.
func isUTF8(declaration string) bool {
	_, rest, found := strings.Cut(declaration, "encoding")
	if !found {
		return true
	}
	name := strings.Trim(strings.TrimLeft(rest, " \t\r\n="), `"'`)
	if i := strings.IndexAny(name, `"'`); i >= 0 {
		name = name[:i]
	}
	return strings.EqualFold(name, "utf-8") || strings.EqualFold(name, "us-ascii")
}

// isCutXML tells whether the body is over before the document is: it may be cut at SecRequestBodyLimit.
func isCutXML(err error) bool {
	var syntax *xml.SyntaxError
	return errors.As(err, &syntax) && syntax.Msg == "unexpected EOF"
}
