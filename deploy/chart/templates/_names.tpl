{{- define "flakesync.selector" -}}
app.kubernetes.io/name: flakesync
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "flakesync.labels" -}}
{{ include "flakesync.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* The release's name, with the chart's behind it where the name does not have it. */}}
{{- define "flakesync.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "flakesync.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ printf "%s@%s" .repository .digest }}
{{- else -}}
{{ printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) }}
{{- end -}}
{{- end -}}
{{- end }}

{{- /* The claim of a volume. Takes a list: the chart's own values, the volume's name. */}}
{{- define "flakesync.claim" -}}
{{- $top := index . 0 -}}
{{- $volume := index . 1 -}}
{{- (index $top.Values.storage $volume).existingClaim | default (printf "%s-%s" (include "flakesync.name" $top) $volume) -}}
{{- end }}
