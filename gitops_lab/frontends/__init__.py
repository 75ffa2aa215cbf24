"""Front ends: the API kinds of Flux and of Argo CD as controllers over the engine."""
