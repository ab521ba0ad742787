package waf

import (
	"io"
	"strings"

	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
)

// bodyRead is the action by which a body is looked at between the engine's reading of it and the rules, which are one call.
type bodyRead struct{}

const (
	bodyReadName = "palisadebodyread"
	bodyReadID   = "95901"
)

func init() {
	plugins.RegisterAction(bodyReadName, func() plugintypes.Action { return bodyRead{} })
}

// onBodyRead is the directive that stands before all others.
var onBodyRead = directive{text: `SecAction "id:` + bodyReadID + `,phase:2,pass,nolog,t:none,` + bodyReadName + `"`}

// Init implements plugintypes.Action.
func (bodyRead) Init(plugintypes.RuleMetadata, string) error { return nil }

// Type implements plugintypes.Action.
func (bodyRead) Type() plugintypes.ActionType { return plugintypes.ActionTypeNondisruptive }

// Evaluate implements plugintypes.Action.
func (bodyRead) Evaluate(_ plugintypes.RuleMetadata, tx plugintypes.TransactionState) {
	v := tx.Variables()
	if strings.EqualFold(v.RequestBodyProcessor().Get(), "MULTIPART") {
		if body := bodyOf(tx); body != "" {
			contentType := ""
			if types := v.RequestHeaders().Get("content-type"); len(types) > 0 {
				contentType = types[0]
			}
			checkMultipart(v, contentType, body)
		}
	}
	separate(v.ArgsPost())
	separate(v.MultipartPartHeaders())
}

// bodyOf is the request's body as far as the engine has it, "" if there is none or it is not to be inspected.
func bodyOf(tx plugintypes.TransactionState) string {
	buffered, ok := tx.(interface {
		IsRequestBodyAccessible() bool
		RequestBodyReader() (io.Reader, error)
	})
	if !ok || !buffered.IsRequestBodyAccessible() {
		return ""
	}
	r, err := buffered.RequestBodyReader()
	if err != nil {
		return ""
	}
	text, _ := readAll(r) // of memory
	return text
}
